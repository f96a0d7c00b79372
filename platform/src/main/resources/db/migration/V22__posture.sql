-- What is known of each device from its last evidence, and how many devices stand where.

-- One row per device whose evidence was appraised. Staleness is a matter of time and is not stored: a device is stale
-- from stale_at on. The column stale_told says whether the event of it was sent.
CREATE TABLE device_posture (
    tenant_id     text COLLATE "C" NOT NULL,
    device_id     uuid NOT NULL,
    fleet_id      text COLLATE "C" NOT NULL,
    appraisal_id  uuid NOT NULL,           -- of the last evidence
    order_id      uuid,                    -- that asked for it, where one did
    status        text COLLATE "C" NOT NULL CHECK (status IN ('NONE', 'AFFIRMING', 'WARNING', 'CONTRAINDICATED')),
    previous      text COLLATE "C",        -- the status before this one
    vector        jsonb NOT NULL,          -- the worst value of each trustworthiness claim, by its name
    reasons       jsonb NOT NULL,          -- {list: [...]} of the claims that are not affirming
    release       text COLLATE "C" NOT NULL, -- version of what runs; '' where the evidence does not tell
    boot_epoch    text NOT NULL,           -- what the evidence says of the boot; '' where it says nothing
    boot_count    bigint,                  -- as the device reported it before
    appraised_at  timestamptz NOT NULL,    -- when the evidence came
    judged_at     timestamptz NOT NULL,    -- when it was judged last, with or without the device
    changed_at    timestamptz NOT NULL,    -- when the status became what it is
    stale_at      timestamptz,             -- null where the fleet has no freshness budget
    stale_told    boolean NOT NULL DEFAULT false,
    bad_since     timestamptz,             -- when it ceased to be affirming and fresh; null while it is
    steps_taken   integer NOT NULL DEFAULT 0, -- consequences drawn since then
    step_due      timestamptz,             -- when the next consequence is to be drawn
    suspended     boolean NOT NULL DEFAULT false, -- by a consequence, which takes it back
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device ON DELETE CASCADE
);
CREATE INDEX device_posture_stale ON device_posture (tenant_id, stale_at)
    WHERE status = 'AFFIRMING' AND NOT stale_told;
CREATE INDEX device_posture_step ON device_posture (tenant_id, step_due) WHERE step_due IS NOT NULL;
CREATE INDEX device_posture_by_status ON device_posture (tenant_id, status, device_id);
CREATE INDEX device_posture_by_appraisal ON device_posture (tenant_id, appraisal_id);

-- How many devices stand where, kept by triggers, so that a summary of a million devices reads a few hundred rows. Each
-- number is spread over shards, so that transactions seldom wait for each other; only their sum means something.
CREATE TABLE posture_count (
    tenant_id text COLLATE "C" NOT NULL,
    fleet_id  text COLLATE "C" NOT NULL,
    release   text COLLATE "C" NOT NULL,
    status    text COLLATE "C" NOT NULL,
    day       date NOT NULL,               -- of appraised_at, in UTC
    shard     smallint NOT NULL,
    devices   bigint NOT NULL,
    PRIMARY KEY (tenant_id, fleet_id, release, status, day, shard)
);

CREATE FUNCTION add_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, (appraised_at AT TIME ZONE 'UTC')::date, pg_backend_pid() % 8, count(*)
    FROM added GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;

CREATE FUNCTION take_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, (appraised_at AT TIME ZONE 'UTC')::date, pg_backend_pid() % 8, -count(*)
    FROM gone GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;

CREATE FUNCTION move_postures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posture_count AS c (tenant_id, fleet_id, release, status, day, shard, devices)
    SELECT tenant_id, fleet_id, release, status, day, pg_backend_pid() % 8, sum(n) FROM (
        SELECT tenant_id, fleet_id, release, status, (appraised_at AT TIME ZONE 'UTC')::date AS day, 1 AS n FROM added
        UNION ALL
        SELECT tenant_id, fleet_id, release, status, (appraised_at AT TIME ZONE 'UTC')::date, -1 FROM gone) AS moved
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, fleet_id, release, status, day, shard) DO UPDATE SET devices = c.devices + excluded.devices;
    RETURN NULL;
END $$;

CREATE TRIGGER postures_added AFTER INSERT ON device_posture REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_postures();
CREATE TRIGGER postures_gone AFTER DELETE ON device_posture REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION take_postures();
CREATE TRIGGER postures_moved AFTER UPDATE ON device_posture REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION move_postures();

-- A passport is found by what it says.
CREATE INDEX appraisal_by_result ON appraisal (tenant_id, md5(result));

CALL build_tenant_wall('device_posture');
CALL build_tenant_wall('posture_count');
