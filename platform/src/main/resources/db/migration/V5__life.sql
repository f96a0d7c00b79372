-- The turns of a device's life: renewal that overlaps, forecasts, bulk work, and counts that need no counting.

ALTER TABLE device ADD COLUMN expires_at timestamptz;       -- end of its current operational certificate
ALTER TABLE certificate ADD COLUMN superseded_at timestamptz; -- when another one took its place; it stays good for the
                                                            -- fleet's overlap, and is then revoked
ALTER TABLE device NO FORCE ROW LEVEL SECURITY;
ALTER TABLE certificate NO FORCE ROW LEVEL SECURITY;
UPDATE device d SET expires_at = c.not_after FROM certificate c
    WHERE c.tenant_id = d.tenant_id AND c.serial_number = d.certificate AND d.state IN ('ACTIVE', 'SUSPENDED');

CREATE INDEX device_by_expiry ON device (tenant_id, expires_at, device_id) WHERE expires_at IS NOT NULL;
CREATE INDEX device_suspended ON device (tenant_id, device_id) WHERE state = 'SUSPENDED';
CREATE INDEX device_refurbishing ON device (tenant_id, device_id) WHERE state = 'REFURBISHING';
CREATE INDEX device_revoked ON device (tenant_id, device_id) WHERE state = 'REVOKED';
CREATE INDEX device_retired ON device (tenant_id, device_id) WHERE state = 'RETIRED';
CREATE INDEX certificate_superseded ON certificate (tenant_id, superseded_at)
    WHERE superseded_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX pending_enrolment_waiting ON pending_enrolment (tenant_id, device_id) WHERE state = 'PENDING';

-- How many devices there are, by what. Whoever changes a device leaves the difference in device_count_change, in the
-- same transaction and without waiting for others; background work folds the differences into device_count. The number
-- is the sum of both.
CREATE TABLE device_count (
    tenant_id text COLLATE "C" NOT NULL,
    fleet_id  text COLLATE "C" NOT NULL,
    counter   text COLLATE "C" NOT NULL,   -- state:ACTIVE, or expires:2026-12-31 (UTC)
    devices   bigint NOT NULL,
    PRIMARY KEY (tenant_id, fleet_id, counter)
);
CREATE TABLE device_count_change (
    tenant_id  text COLLATE "C" NOT NULL,
    change_id  uuid NOT NULL,
    fleet_id   text COLLATE "C" NOT NULL,
    counter    text COLLATE "C" NOT NULL,
    difference bigint NOT NULL,
    PRIMARY KEY (tenant_id, change_id)
);
CREATE FUNCTION device_counters(state text, expires_at timestamptz) RETURNS SETOF text LANGUAGE sql STABLE
    AS $$ SELECT 'state:' || state
          UNION ALL SELECT 'expires:' || to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') WHERE expires_at IS NOT NULL $$;
INSERT INTO device_count (tenant_id, fleet_id, counter, devices)
    SELECT d.tenant_id, d.fleet_id, c, count(*) FROM device d, device_counters(d.state, d.expires_at) AS c GROUP BY 1, 2, 3;
ALTER TABLE device FORCE ROW LEVEL SECURITY;
ALTER TABLE certificate FORCE ROW LEVEL SECURITY;

CREATE FUNCTION count_devices_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, count(*)
    FROM added, device_counters(added.state, added.expires_at) AS c GROUP BY tenant_id, fleet_id, c;
    RETURN NULL;
END $$;
CREATE FUNCTION count_devices_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, sum(n) FROM (
        SELECT b.tenant_id, b.fleet_id, c, -1 AS n
        FROM before b JOIN after a USING (tenant_id, device_id), device_counters(b.state, b.expires_at) AS c
        WHERE (b.state, b.fleet_id, b.expires_at) IS DISTINCT FROM (a.state, a.fleet_id, a.expires_at)
        UNION ALL
        SELECT a.tenant_id, a.fleet_id, c, 1 AS n
        FROM before b JOIN after a USING (tenant_id, device_id), device_counters(a.state, a.expires_at) AS c
        WHERE (b.state, b.fleet_id, b.expires_at) IS DISTINCT FROM (a.state, a.fleet_id, a.expires_at)) AS changes
    GROUP BY tenant_id, fleet_id, c HAVING sum(n) <> 0;
    RETURN NULL;
END $$;
CREATE FUNCTION count_devices_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, -count(*)
    FROM removed, device_counters(removed.state, removed.expires_at) AS c GROUP BY tenant_id, fleet_id, c;
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON device REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_devices_added();
CREATE TRIGGER count_changed AFTER UPDATE ON device REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION count_devices_changed();
CREATE TRIGGER count_removed AFTER DELETE ON device REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_devices_removed();

-- The list that a bulk job works through, where it was given one.
CREATE TABLE bulk_item (
    tenant_id text COLLATE "C" NOT NULL,
    job_id    uuid NOT NULL,
    position  bigint NOT NULL,             -- from 0
    name      text NOT NULL,               -- of the device, as the list has it: an id or a serial number
    PRIMARY KEY (tenant_id, job_id, position)
);

CALL build_tenant_wall('device_count');
CALL build_tenant_wall('device_count_change');
CALL build_tenant_wall('bulk_item');
CREATE POLICY open_work ON device_count_change FOR SELECT USING (current_tenant() = '*');
CREATE POLICY open_work ON device_count FOR SELECT USING (current_tenant() = '*');
