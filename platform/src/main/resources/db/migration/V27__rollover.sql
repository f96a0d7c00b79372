-- Replacing authorities: certificates that join an old and a new root, and campaigns that move devices.

-- A root's key certified by another root. While it is not withdrawn, both roots are handed out side by side.
CREATE TABLE cross_certificate (
    tenant_id     text COLLATE "C" NOT NULL,
    subject_id    uuid NOT NULL,           -- the root whose key it is for
    issuer_id     uuid NOT NULL,           -- the root that signed it
    encoded       bytea NOT NULL,          -- DER; its row in certificate has the same serial number
    created_at    timestamptz NOT NULL,
    withdrawn_at  timestamptz,
    PRIMARY KEY (tenant_id, subject_id, issuer_id)
);
CREATE INDEX cross_certificate_by_issuer ON cross_certificate (tenant_id, issuer_id);
CALL build_tenant_wall('cross_certificate');

-- A campaign that moves the devices of one or more authorities to others.
CREATE TABLE rollover (
    tenant_id      text COLLATE "C" NOT NULL,
    rollover_id    uuid NOT NULL,
    cause          text NOT NULL CHECK (cause IN ('RENEWAL', 'COMPROMISE')),
    state          text NOT NULL CHECK (state IN ('PREPARED', 'MOVING', 'PAUSED', 'FINISHED', 'CLOSED', 'ROLLING_BACK',
                       'ROLLED_BACK')),
    old_authority  uuid NOT NULL,          -- what the operator named: a root, or one that issues for devices
    new_authority  uuid NOT NULL,
    new_anchor     bytea,                  -- SHA-256 of the new root; null where devices need none
    anchors        bytea[] NOT NULL,       -- all that devices are to trust meanwhile, DER
    readmission    text CHECK (readmission IN ('BIRTH_KEY', 'OLD_KEY')), -- how devices come back; of a compromise only
    wave_size      integer NOT NULL,
    wave_share     integer NOT NULL,       -- percent of a wave that must have moved before the next one opens
    wave_longest   bigint NOT NULL,        -- seconds after which the next wave opens all the same
    failure_limit  integer NOT NULL,       -- percent of the devices that were begun; more of them pause the campaign
    wave           integer NOT NULL DEFAULT 0, -- the last one that is open
    wave_opened_at timestamptz,
    listed         bigint NOT NULL DEFAULT 0, -- devices that were found so far
    settled        boolean NOT NULL DEFAULT false, -- nothing is left to do in this state
    note           text,                   -- why it pauses
    job_id         uuid,                   -- that works on it
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rollover_id)
);

-- Which authority takes the place of which.
CREATE TABLE rollover_authority (
    tenant_id     text COLLATE "C" NOT NULL,
    rollover_id   uuid NOT NULL,
    old_authority uuid NOT NULL,
    new_authority uuid NOT NULL,
    open          boolean NOT NULL DEFAULT true, -- its campaign is not over
    PRIMARY KEY (tenant_id, rollover_id, old_authority),
    FOREIGN KEY (tenant_id, rollover_id) REFERENCES rollover
);
CREATE UNIQUE INDEX rollover_authority_old ON rollover_authority (tenant_id, old_authority) WHERE open;
CREATE UNIQUE INDEX rollover_authority_new ON rollover_authority (tenant_id, new_authority) WHERE open;

-- How far each device is. Written by the campaign's job alone.
CREATE TABLE rollover_device (
    tenant_id   text COLLATE "C" NOT NULL,
    rollover_id uuid NOT NULL,
    device_id   uuid NOT NULL,
    wave        integer NOT NULL,
    step        text NOT NULL CHECK (step IN ('WAITING', 'ANCHORS', 'RENEWAL', 'MOVED', 'FAILED', 'GONE', 'RETURNING',
                    'RETURNED')),
    held        bytea NOT NULL,            -- serial number of the certificate it had when it was listed
    attempts    integer NOT NULL DEFAULT 0, -- orders that failed
    detail      text,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rollover_id, device_id)
);
CREATE INDEX rollover_device_by_step ON rollover_device (tenant_id, rollover_id, step, device_id);
CREATE INDEX rollover_device_by_wave ON rollover_device (tenant_id, rollover_id, wave, device_id)
    WHERE step = 'WAITING';

-- How many devices of a wave stand where. Kept with each change, so that nobody counts.
CREATE TABLE rollover_count (
    tenant_id   text COLLATE "C" NOT NULL,
    rollover_id uuid NOT NULL,
    wave        integer NOT NULL,
    step        text NOT NULL,
    devices     bigint NOT NULL,
    PRIMARY KEY (tenant_id, rollover_id, wave, step)
);

-- The good certificates of an authority: whom it carries.
CREATE INDEX certificate_by_authority ON certificate (tenant_id, authority_id, serial_number)
    WHERE revoked_at IS NULL AND device_id IS NOT NULL;

CALL build_tenant_wall('rollover');
CALL build_tenant_wall('rollover_authority');
CALL build_tenant_wall('rollover_device');
CALL build_tenant_wall('rollover_count');
