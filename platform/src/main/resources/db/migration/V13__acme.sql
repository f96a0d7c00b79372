-- Fleets that offer ACME, and what for.
CREATE TABLE acme_policy (
    tenant_id   text COLLATE "C" NOT NULL,
    fleet_id    text COLLATE "C" NOT NULL,
    names       text[] NOT NULL,           -- patterns of host names: a name, or '*.' and what follows one label
    networks    text[] NOT NULL,           -- CIDR: addresses that http-01 may be fetched from; no others are
    http_port   integer NOT NULL,          -- where http-01 is fetched
    attestation boolean NOT NULL,          -- whether device-attest-01 is offered
    PRIMARY KEY (tenant_id, fleet_id),
    FOREIGN KEY (tenant_id, fleet_id) REFERENCES fleet
);
CALL build_tenant_wall('acme_policy');

-- Keys of external account binding: each makes one account, for one device.
CREATE TABLE acme_key (
    tenant_id  text COLLATE "C" NOT NULL,
    key_id     text COLLATE "C" NOT NULL,  -- public
    fleet_id   text COLLATE "C" NOT NULL,
    device_id  uuid NOT NULL,
    address    text,                       -- where http-01 is fetched, instead of asking the DNS
    sealed     bytea NOT NULL,             -- the MAC key, sealed (secret_seal)
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, key_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device
);
CREATE INDEX acme_key_by_device ON acme_key (tenant_id, device_id);

CREATE TABLE acme_account (
    tenant_id  text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    fleet_id   text COLLATE "C" NOT NULL,
    device_id  uuid NOT NULL,
    address    text,
    key_id     text COLLATE "C" NOT NULL,  -- of external account binding, that it was made with
    thumbprint bytea NOT NULL,             -- RFC 7638, SHA-256, of its key
    jwk        text NOT NULL,
    contacts   text[] NOT NULL,
    active     boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    UNIQUE (tenant_id, fleet_id, thumbprint),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device
);
CREATE INDEX acme_account_by_device ON acme_account (tenant_id, device_id);
CALL build_tenant_wall('acme_key');
CALL build_tenant_wall('acme_account');

CREATE TABLE acme_order (
    tenant_id   text COLLATE "C" NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    account_id  text COLLATE "C" NOT NULL,
    state       text NOT NULL CHECK (state IN ('PENDING', 'READY', 'PROCESSING', 'VALID', 'INVALID')),
    failure     text,                      -- why it is invalid, for a person
    request     bytea,                     -- PKCS#10, from finalization on
    chain       bytea[],                   -- what was issued, leaf first
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES acme_account
);
CREATE INDEX acme_order_by_account ON acme_order (tenant_id, account_id, created_at);
CREATE INDEX acme_order_by_end ON acme_order (tenant_id, expires_at);

-- An authorization and its one challenge.
CREATE TABLE acme_authorization (
    tenant_id        text COLLATE "C" NOT NULL,
    authorization_id text COLLATE "C" NOT NULL,
    order_id         text COLLATE "C" NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('dns', 'permanent-identifier')),
    value            text NOT NULL,
    state            text NOT NULL CHECK (state IN ('PENDING', 'VALID', 'INVALID', 'DEACTIVATED')),
    token            text NOT NULL,
    started_at       timestamptz,          -- when its validation was begun last
    decided_at       timestamptz,
    failure          text,
    attested_key     bytea,                -- SubjectPublicKeyInfo that device-attest-01 proved
    PRIMARY KEY (tenant_id, authorization_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES acme_order ON DELETE CASCADE
);
CREATE INDEX acme_authorization_by_order ON acme_authorization (tenant_id, order_id);
CALL build_tenant_wall('acme_order');
CALL build_tenant_wall('acme_authorization');

-- Nonces that were used. Those that were not are known by their MAC.
CREATE TABLE acme_used_nonce (
    tenant_id  text COLLATE "C" NOT NULL,
    nonce      bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, nonce)
);
CREATE INDEX acme_used_nonce_by_end ON acme_used_nonce (tenant_id, expires_at);
CALL build_tenant_wall('acme_used_nonce');
