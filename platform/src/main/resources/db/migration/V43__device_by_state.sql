-- Devices of a state, in the order in which they are listed: a few active ones among a million claimed are found at once.
-- It takes the place of an index for each of the rare states.
CREATE INDEX device_by_state ON device (tenant_id, state, device_id);
DROP INDEX device_suspended;
DROP INDEX device_refurbishing;
DROP INDEX device_revoked;
DROP INDEX device_retired;
