-- Decisions at the door.

-- A certificate is found by the SHA-256 of its DER, which is what brokers and gateways know of it.
CREATE INDEX certificate_by_digest ON certificate (tenant_id, sha256(encoded)) WHERE device_id IS NOT NULL;

-- Who asks whether a device may come in, and what each of them requires. A key of the API belongs to one at most.
CREATE TABLE relying_party (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenant,
    name       text COLLATE "C" NOT NULL,
    key_id     text COLLATE "C",           -- of the API key that it asks with; null: whoever names it
    policy     jsonb NOT NULL,             -- PartyPolicy
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, key_id) REFERENCES api_key
);
CREATE UNIQUE INDEX relying_party_by_key ON relying_party (tenant_id, key_id) WHERE key_id IS NOT NULL;

CALL build_tenant_wall('relying_party');
