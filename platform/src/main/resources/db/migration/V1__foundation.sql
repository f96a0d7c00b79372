-- tenant_id leads every key. Row-level security is the second wall behind the code: a session sees the rows of the
-- tenant that it names in the setting tegata.tenant, and none where it names none.
-- The setting '*' opens the few tables that background work must read across tenants, and no other.

CREATE FUNCTION current_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT current_setting('tegata.tenant', true) $$;

-- One row: facts of this installation.
CREATE TABLE installation (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    operator_key_hash bytea NOT NULL,
    created_at        timestamptz NOT NULL
);

-- One row, of the software vault: what its key-encryption key is made from a passphrase with, and which key it is.
CREATE TABLE vault_key (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    salt   bytea NOT NULL,
    key_id bytea
);

CREATE TABLE tenant (
    tenant_id    text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    subject      jsonb NOT NULL,           -- organization, country, organizationalUnit, locality, state
    created_at   timestamptz NOT NULL
);

-- Private keys of the software vault, each sealed under the key-encryption key. Key spaces are tenant ids.
CREATE TABLE sealed_key (
    tenant_id  text COLLATE "C" NOT NULL,
    key_handle text COLLATE "C" NOT NULL,
    sealed     bytea NOT NULL,
    PRIMARY KEY (tenant_id, key_handle)
);

CREATE TABLE authority (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenant,
    authority_id uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('ROOT', 'ISSUING')),
    state        text NOT NULL CHECK (state IN ('PENDING_CERTIFICATE', 'ACTIVE', 'RETIRED')),
    name         text NOT NULL,
    algorithm    text NOT NULL,
    key_handle   text COLLATE "C" NOT NULL,
    parent_id    uuid,                     -- the authority that signed it, where that is one of ours
    request      bytea,                    -- PKCS#10, while its certificate is made elsewhere
    certificate  bytea,                    -- DER
    upper_chain  bytea[] NOT NULL DEFAULT '{}', -- certificates above it that are not authorities of ours, nearest first
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, authority_id),
    CHECK ((state = 'PENDING_CERTIFICATE') = (certificate IS NULL))
);

CREATE TABLE fleet (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenant,
    fleet_id     text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    authority_id uuid NOT NULL,
    profile      jsonb NOT NULL,           -- CertificateProfile of its devices
    policy       jsonb NOT NULL,           -- FleetPolicy: who may enrol, and how
    version      integer NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fleet_id),
    FOREIGN KEY (tenant_id, authority_id) REFERENCES authority
);

CREATE TABLE api_key (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenant,
    key_id       text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'OPERATOR', 'AUDITOR', 'DEVICE_IMPORT')),
    secret_hash  bytea NOT NULL,           -- SHA-256 of 32 random bytes
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    PRIMARY KEY (tenant_id, key_id)
);

-- Certificates that a tenant trusts beside the built-in ones: signers of manifests, and CAs of birth certificates.
CREATE TABLE trusted_certificate (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    purpose     text NOT NULL CHECK (purpose IN ('MANIFEST_SIGNER', 'BIRTH_CA')),
    fingerprint bytea NOT NULL,            -- SHA-256 of the DER
    name        text NOT NULL,
    certificate bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, purpose, fingerprint)
);

-- One row per imported file: the job, its progress and its report.
CREATE TABLE manifest (
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenant,
    manifest_id     uuid NOT NULL,
    fleet_id        text COLLATE "C" NOT NULL,
    file_name       text NOT NULL,
    format          text,                  -- known once the content has been recognised
    digest          bytea,                 -- SHA-256 of the whole file, known at its end
    state           text NOT NULL CHECK (state IN ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    failure         text,
    elements        bigint NOT NULL DEFAULT 0,
    claimed         bigint NOT NULL DEFAULT 0,
    already_claimed bigint NOT NULL DEFAULT 0,
    rejected        bigint NOT NULL DEFAULT 0,
    conflicts       bigint NOT NULL DEFAULT 0,
    started_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, manifest_id),
    FOREIGN KEY (tenant_id, fleet_id) REFERENCES fleet
);

-- Elements that were not claimed, with their position (from 0) and why.
CREATE TABLE manifest_issue (
    tenant_id   text COLLATE "C" NOT NULL,
    manifest_id uuid NOT NULL,
    position    bigint NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('REJECTED', 'CONFLICT')),
    serial      text,
    reason      text NOT NULL,             -- stable code
    detail      text NOT NULL,
    PRIMARY KEY (tenant_id, manifest_id, position),
    FOREIGN KEY (tenant_id, manifest_id) REFERENCES manifest
);

CREATE TABLE device (
    tenant_id      text COLLATE "C" NOT NULL, -- exists because its fleet does; checking both slows claims down
    device_id      uuid NOT NULL,
    fleet_id       text COLLATE "C" NOT NULL,
    chip           text COLLATE "C" NOT NULL, -- who numbers it: microchip, infineon, espressif, tpm, other
    serial         text COLLATE "C" NOT NULL, -- lower case
    model          text NOT NULL DEFAULT '',
    state          text NOT NULL CHECK (state IN ('CLAIMED', 'ACTIVE', 'SUSPENDED', 'REFURBISHING', 'REVOKED', 'RETIRED')),
    proof          text NOT NULL CHECK (proof IN ('VENDOR_SIGNATURE', 'VENDOR_CERTIFICATE', 'STATEMENT')),
    manifest_id    uuid,
    claimed_at     timestamptz NOT NULL,
    activated_at   timestamptz,
    last_seen_at   timestamptz,
    certificate    bytea,                  -- serial number of its current operational certificate
    version        integer NOT NULL DEFAULT 1, -- counts every change; an update that names another one loses
    PRIMARY KEY (tenant_id, device_id),
    UNIQUE (tenant_id, serial, chip),      -- also finds by serial number alone
    FOREIGN KEY (tenant_id, fleet_id) REFERENCES fleet
);
CREATE INDEX device_by_fleet ON device (tenant_id, fleet_id, device_id);

-- Birth keys: what a device can prove itself with before it has an operational certificate.
CREATE TABLE device_key (
    tenant_id   text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,            -- SHA-256 of the SubjectPublicKeyInfo
    device_id   uuid NOT NULL,
    slot        smallint NOT NULL,         -- of the chip; 0 where the format knows no slots
    public_key  bytea NOT NULL,            -- DER SubjectPublicKeyInfo
    certificate bytea,                     -- DER of the birth certificate around it, where one is known
    certificate_anchor text,               -- name of the known CA that certificate leads to, where it leads to one
    PRIMARY KEY (tenant_id, fingerprint)
);
CREATE INDEX device_key_by_device ON device_key (tenant_id, device_id);

-- Which tenant holds a chip. The one table that is keyed across tenants: a chip has one owner in the whole
-- installation. Row-level security hides whose it is; a failed insert tells only that it is taken.
CREATE TABLE chip_owner (
    chip      text COLLATE "C" NOT NULL,
    serial    text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (chip, serial)
);

-- One-time secrets for devices whose manifest lists no keys.
CREATE TABLE claim_token (
    tenant_id  text COLLATE "C" NOT NULL,
    token_hash bytea NOT NULL,
    device_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device
);
CREATE INDEX claim_token_by_device ON claim_token (tenant_id, device_id);

-- Enrolments that wait for an operator.
CREATE TABLE pending_enrolment (
    tenant_id  text COLLATE "C" NOT NULL,
    device_id  uuid NOT NULL,
    state      text NOT NULL CHECK (state IN ('PENDING', 'APPROVED', 'REJECTED')),
    asked_at   timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text,
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device
);

-- Every certificate that was issued, CA certificates included.
CREATE TABLE certificate (
    tenant_id     text COLLATE "C" NOT NULL,
    serial_number bytea NOT NULL,
    authority_id  uuid NOT NULL,           -- its issuer; for a self-signed root, itself
    device_id     uuid,
    public_key_fingerprint bytea NOT NULL,
    not_before    timestamptz NOT NULL,
    not_after     timestamptz NOT NULL,
    issued_at     timestamptz NOT NULL,
    revoked_at    timestamptz,
    revocation_reason smallint,            -- RFC 5280 §5.3.1
    encoded       bytea NOT NULL,          -- DER
    PRIMARY KEY (tenant_id, serial_number)
);
CREATE INDEX certificate_by_device ON certificate (tenant_id, device_id, issued_at) WHERE device_id IS NOT NULL;

-- The audit chain: hash = SHA-256(previous hash || record), record is one line of JSON and is never changed.
CREATE TABLE audit_head (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES tenant,
    sequence  bigint NOT NULL,
    hash      bytea NOT NULL,
    key_handle text COLLATE "C" NOT NULL,  -- of the key in the vault that signs checkpoints
    public_key bytea NOT NULL              -- DER SubjectPublicKeyInfo of that key
);
CREATE TABLE audit_record (
    tenant_id text COLLATE "C" NOT NULL,
    sequence  bigint NOT NULL,
    subject   text COLLATE "C" NOT NULL,   -- what it is about: device:…, fleet:…, authority:…
    record    text NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE INDEX audit_by_subject ON audit_record (tenant_id, subject, sequence);
CREATE TABLE audit_checkpoint (
    tenant_id  text COLLATE "C" NOT NULL,
    sequence   bigint NOT NULL,
    checkpoint text NOT NULL,              -- the signed text
    signature  bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);

-- Answers to creating requests, so that a repeated request creates nothing twice.
CREATE TABLE idempotent_answer (
    tenant_id       text COLLATE "C" NOT NULL, -- '' for requests of the installation's operator
    idempotency_key text NOT NULL,
    request_hash    bytea NOT NULL,
    status          integer,               -- null while the first request is still running
    answer          bytea,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sealed_key', 'authority', 'fleet', 'api_key', 'trusted_certificate', 'manifest',
        'manifest_issue', 'device', 'device_key', 'chip_owner', 'claim_token', 'pending_enrolment', 'certificate',
        'audit_head', 'audit_record', 'audit_checkpoint', 'idempotent_answer']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant_wall ON %I USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', name);
    END LOOP;
    ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
    ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant_wall ON tenant USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
    CREATE POLICY tenant_list ON tenant FOR SELECT USING (current_tenant() = '*');
END $$;
