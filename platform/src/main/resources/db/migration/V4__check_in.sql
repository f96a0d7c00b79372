-- What a device said of itself when it checked in last, and what tells two devices with one identity apart. Written only
-- where it changed.
CREATE TABLE device_report (
    tenant_id          text COLLATE "C" NOT NULL,
    device_id          uuid NOT NULL,
    digest             bytea,              -- SHA-256 over the columns up to last_sequence; null before the first report
    firmware           jsonb,              -- [{component, version, digest?}], digests in hex
    boot_count         bigint,
    certificates       jsonb,              -- serial numbers in hex
    trust_anchors      jsonb,              -- SHA-256 digests in hex
    last_sequence      bigint,             -- of the last order that the device accepted
    reported_at        timestamptz,        -- when one of them changed
    identity           bytea,              -- SHA-256 of the public key that it checked in with
    heard_mark         bigint,             -- the time in the newest mark that it has shown with that key
    relay_nonce        bigint,             -- the time in the newest nonce that it has signed, in microseconds
    clone_suspected_at timestamptz,
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device ON DELETE CASCADE
);
CALL build_tenant_wall('device_report');

-- The key of the MACs in nonces and marks. Whoever has it can make nonces, which are worth nothing without a device's
-- key.
CREATE TABLE check_in_secret (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenant,
    secret    bytea NOT NULL,              -- 32 random bytes
    PRIMARY KEY (tenant_id)
);
CALL build_tenant_wall('check_in_secret');

-- What devices were told to do. An order past its expiry counts as EXPIRED whatever its state says.
CREATE TABLE device_order (
    tenant_id    text COLLATE "C" NOT NULL,
    order_id     uuid NOT NULL,
    device_id    uuid NOT NULL,
    sequence     bigint NOT NULL,          -- larger than that of each earlier order, of any owner of the device
    kind         text NOT NULL,
    topic        text COLLATE "C" NOT NULL, -- the kind, and for STORE the object's name: one open order at a time
    content      bytea NOT NULL,           -- CBOR, as it is signed
    state        text NOT NULL CHECK (state IN ('PLACED', 'DELIVERED', 'DONE', 'FAILED', 'EXPIRED', 'WITHDRAWN')),
    placed_at    timestamptz NOT NULL,
    placed_by    text NOT NULL,            -- an actor
    expires_at   timestamptz NOT NULL,
    delivered_at timestamptz,              -- for the first time
    ended_at     timestamptz,
    detail       text,                     -- what the device said of the end, or why it ended without it
    receipt      bytea,
    PRIMARY KEY (tenant_id, order_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device ON DELETE CASCADE
);
CREATE UNIQUE INDEX device_order_by_sequence ON device_order (tenant_id, device_id, sequence);
CREATE UNIQUE INDEX device_order_open ON device_order (tenant_id, device_id, topic)
    WHERE state IN ('PLACED', 'DELIVERED');
CREATE INDEX device_order_by_state ON device_order (tenant_id, state, order_id);
CALL build_tenant_wall('device_order');

-- Keys that sign orders and answers, each certified by an issuing authority for a short time.
CREATE TABLE order_signer (
    tenant_id     text COLLATE "C" NOT NULL,
    serial_number bytea NOT NULL,          -- of its certificate
    authority_id  uuid NOT NULL,
    key_handle    text COLLATE "C" NOT NULL,
    encoded       bytea NOT NULL,          -- the certificate, DER
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, serial_number),
    FOREIGN KEY (tenant_id, authority_id) REFERENCES authority
);
CREATE INDEX order_signer_by_authority ON order_signer (tenant_id, authority_id, created_at);
CALL build_tenant_wall('order_signer');
