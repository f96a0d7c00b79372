-- Certificates of devices that have long expired, without their DER: what OCSP and an audit still ask for.
CREATE TABLE certificate_archive (
    tenant_id     text COLLATE "C" NOT NULL,
    serial_number bytea NOT NULL,
    authority_id  uuid NOT NULL,
    device_id     uuid NOT NULL,
    not_before    timestamptz NOT NULL,
    not_after     timestamptz NOT NULL,
    issued_at     timestamptz NOT NULL,
    revoked_at    timestamptz,
    revocation_reason smallint,
    public_key_fingerprint bytea NOT NULL,
    fingerprint   bytea NOT NULL,          -- SHA-256 of the DER
    PRIMARY KEY (tenant_id, serial_number)
);
CALL build_tenant_wall('certificate_archive');

-- In the order in which they end: for what moves them, and for what looks for those that end soon.
CREATE INDEX certificate_by_end ON certificate (tenant_id, not_after, serial_number);
