-- Firmware releases: what they consist of, how far they are certified, what is wrong with them. Each acts through a
-- manifest of the tenant's own (endorsement), which is submitted anew at each change.
CREATE TABLE release (
    tenant_id          text COLLATE "C" NOT NULL,
    release_id         uuid NOT NULL,
    fleet_id           text COLLATE "C" NOT NULL,
    version            text COLLATE "C" NOT NULL,
    environment        bytea NOT NULL,     -- the class of devices, in CBOR
    components         bytea[] NOT NULL,   -- measurements, in CBOR
    security_counter   integer,
    status             text NOT NULL CHECK (status IN ('UNCERTIFIED', 'PROVISIONAL', 'CERTIFIED', 'OUTDATED', 'REVOKED')),
    scheme             text,               -- of the certification
    certificate        text,               -- its number
    valid_until        timestamptz,
    lapsed             boolean NOT NULL DEFAULT false, -- valid_until has passed, and the endorsement says so
    vulnerabilities    text[] NOT NULL,
    minimum            boolean NOT NULL DEFAULT false, -- the oldest that is acceptable in its fleet
    below              text,               -- the minimum acceptable version, where this one is older
    revision           integer NOT NULL,   -- counts every change
    published_revision integer NOT NULL DEFAULT 0, -- what the endorsement says
    endorsement_id     uuid,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, release_id),
    UNIQUE (tenant_id, fleet_id, version),
    FOREIGN KEY (tenant_id, fleet_id) REFERENCES fleet
);
CREATE UNIQUE INDEX release_minimum ON release (tenant_id, fleet_id) WHERE minimum;
CREATE INDEX release_lapses ON release (tenant_id, valid_until) WHERE valid_until IS NOT NULL AND NOT lapsed;
CREATE INDEX release_unpublished ON release (tenant_id, release_id) WHERE published_revision < revision;

CALL build_tenant_wall('release');

-- Brokers and gateways have a role of their own, which lets them ask for decisions and nothing else.
ALTER TABLE api_key DROP CONSTRAINT api_key_role_check;
ALTER TABLE api_key ADD CONSTRAINT api_key_role_check
    CHECK (role IN ('OWNER', 'ADMIN', 'OPERATOR', 'AUDITOR', 'DEVICE_IMPORT', 'RELYING_PARTY'));
