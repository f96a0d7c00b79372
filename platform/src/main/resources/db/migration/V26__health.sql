-- What is wrong, or will be, with the chains of a tenant: found in the background, so that nobody waits for it.

-- How far the look through a tenant's devices is. Small: it is read across tenants to find work.
CREATE TABLE health_sweep (
    tenant_id   text COLLATE "C" PRIMARY KEY,
    sweep       bigint NOT NULL DEFAULT 0, -- the number of the sweep under way, or of the last one
    after       uuid,                      -- the last device that it has looked at; null between sweeps
    devices     bigint NOT NULL DEFAULT 0, -- that it has looked at
    started_at  timestamptz,
    finished_at timestamptz,               -- when the last whole sweep was over
    due_at      timestamptz NOT NULL
);

-- Devices that a sweep has found something about.
CREATE TABLE health_affected (
    tenant_id text COLLATE "C" NOT NULL,
    code      text COLLATE "C" NOT NULL,
    subject   text COLLATE "C" NOT NULL,   -- authority:… of the device's chain
    device_id uuid NOT NULL,
    sweep     bigint NOT NULL,             -- the last one that found it
    detail    text NOT NULL,
    PRIMARY KEY (tenant_id, code, subject, device_id)
);
CREATE INDEX health_affected_by_sweep ON health_affected (tenant_id, sweep);

-- The findings of the last whole sweep, with counts.
CREATE TABLE health_finding (
    tenant_id text COLLATE "C" NOT NULL,
    code      text COLLATE "C" NOT NULL,
    subject   text COLLATE "C" NOT NULL,
    sweep     bigint NOT NULL,
    affected  bigint NOT NULL,             -- devices
    detail    text NOT NULL,
    found_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, code, subject)
);

-- Whether two devices have one key.
CREATE INDEX certificate_by_key ON certificate (tenant_id, public_key_fingerprint) WHERE device_id IS NOT NULL;

CALL build_tenant_wall('health_sweep');
CALL build_tenant_wall('health_affected');
CALL build_tenant_wall('health_finding');
