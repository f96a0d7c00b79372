-- Devices that have never shown evidence. Where a fleet draws consequences, they have a posture too: NONE, without an
-- appraisal, not good from their activation on.

ALTER TABLE device_posture ALTER COLUMN appraisal_id DROP NOT NULL, ALTER COLUMN appraised_at DROP NOT NULL,
    ADD CHECK ((appraisal_id IS NULL) = (appraised_at IS NULL));

-- The fleets that draw consequences, and how far their devices were looked at since that policy was changed last. What
-- happens to devices afterwards is read from the tenant's events (event_reader, as 'posture'): nobody looks through a
-- fleet twice.
CREATE TABLE posture_watch (
    tenant_id text COLLATE "C" NOT NULL,
    fleet_id  text COLLATE "C" NOT NULL,
    since     timestamptz NOT NULL,        -- when consequences were switched on: nobody's grace begins before
    grace     interval NOT NULL,           -- of the first consequence
    walked    uuid,                        -- the last device that was looked at; null: all were
    PRIMARY KEY (tenant_id, fleet_id),
    FOREIGN KEY (tenant_id, fleet_id) REFERENCES fleet ON DELETE CASCADE
);
CALL build_tenant_wall('posture_watch');

INSERT INTO posture_watch (tenant_id, fleet_id, since, grace, walked)
SELECT tenant_id, fleet_id, now(), '0', '00000000-0000-0000-0000-000000000000' FROM fleet
WHERE jsonb_array_length(policy #> '{attestation,consequences}') > 0;

-- The day of no evidence is '-infinity'.
CREATE FUNCTION posture_day(appraised_at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce((appraised_at AT TIME ZONE 'UTC')::date, '-infinity');

CREATE OR REPLACE FUNCTION add_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, posture_day(appraised_at), pg_backend_pid() % 8, count(*)
    FROM added GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION take_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, posture_day(appraised_at), pg_backend_pid() % 8, -count(*)
    FROM gone GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION move_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, day, pg_backend_pid() % 8, sum(n) FROM (
        SELECT tenant_id, fleet_id, release, status, posture_day(appraised_at) AS day, 1 AS n FROM added
        UNION ALL
        SELECT tenant_id, fleet_id, release, status, posture_day(appraised_at), -1 FROM gone) AS moved
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;
