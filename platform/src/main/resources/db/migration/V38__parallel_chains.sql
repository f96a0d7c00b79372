-- A second chain for the same devices: a fleet may have a post-quantum authority beside its own, and a device then a
-- certificate of each.

ALTER TABLE fleet ADD COLUMN parallel_authority_id uuid; -- null where there is one chain only
ALTER TABLE fleet ADD FOREIGN KEY (tenant_id, parallel_authority_id) REFERENCES authority;

-- The certificate of the second chain that the device was given last; its serial number.
ALTER TABLE device ADD COLUMN parallel_certificate bytea;
