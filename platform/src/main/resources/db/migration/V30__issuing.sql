-- What each certificate costs when it is issued.

-- A query that gives devices as an array finds this one without saying that they are not null.
DROP INDEX certificate_by_device;
CREATE INDEX certificate_by_device ON certificate (tenant_id, device_id, issued_at);

-- In the order in which an authority issues, a new certificate stands at the end: no page is read to find its place.
DROP INDEX certificate_by_authority;
CREATE INDEX certificate_by_authority ON certificate (tenant_id, authority_id, issued_at, serial_number)
    WHERE revoked_at IS NULL AND device_id IS NOT NULL;

-- A serial number as people and devices write it.
CREATE FUNCTION serial_hex(serial_number bytea) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(encode(serial_number, 'hex'), '^00', '');

-- Differences are added up before they are named; what a check-in writes leaves none.
CREATE OR REPLACE FUNCTION count_devices_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, sum(n) FROM (
        SELECT tenant_id, fleet_id, state, day, sum(n) AS n FROM (
            SELECT tenant_id, fleet_id, state, date_trunc('day', expires_at, 'UTC') AS day, -1 AS n FROM before
            UNION ALL
            SELECT tenant_id, fleet_id, state, date_trunc('day', expires_at, 'UTC'), 1 FROM after) AS rows
        GROUP BY tenant_id, fleet_id, state, day HAVING sum(n) <> 0) AS changes, device_counters(state, day) AS c
    GROUP BY tenant_id, fleet_id, c HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

-- A certificate that another one supersedes is as good as before: that outdates no revocation list.
DROP TRIGGER certificate_revocation ON certificate;
CREATE OR REPLACE FUNCTION note_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE outdated record;
BEGIN
    FOR outdated IN SELECT DISTINCT tenant_id, authority_id, crl_partition FROM (
            SELECT tenant_id, serial_number, authority_id, crl_partition, revoked_at, revocation_reason FROM after
            EXCEPT ALL
            SELECT tenant_id, serial_number, authority_id, crl_partition, revoked_at, revocation_reason FROM before)
        AS changed
    LOOP
        INSERT INTO crl_change (tenant_id, authority_id, partition, transaction)
        SELECT outdated.tenant_id, outdated.authority_id, p.partition, pg_current_xact_id()::text::bigint
        FROM (VALUES (0), (outdated.crl_partition)) p (partition)
        ON CONFLICT DO NOTHING;
        -- The same word twice in a transaction is told once.
        PERFORM pg_notify('tegata_status', outdated.tenant_id || ' ' || outdated.authority_id);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER certificate_revocation AFTER UPDATE ON certificate REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION note_revocations();
