-- Which key of the vault a tenant's shared secrets are sealed with: AES-256-GCM under SHA-256 of a signature that only
-- this RSA key can make.
CREATE TABLE secret_seal (
    tenant_id  text COLLATE "C" PRIMARY KEY,
    key_handle text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);
CALL build_tenant_wall('secret_seal');

-- A claim token that is also good for CMP: verifying a MAC takes the secret itself, not a hash of it.
ALTER TABLE claim_token
    ADD COLUMN reference text COLLATE "C", -- public name of the secret, which CMP sends as senderKID
    ADD COLUMN sealed bytea,               -- the token's text, sealed
    ADD CHECK ((reference IS NULL) = (sealed IS NULL));
CREATE UNIQUE INDEX claim_token_by_reference ON claim_token (tenant_id, reference) WHERE reference IS NOT NULL;

-- CMP transactions: that none is begun twice, and what the next message of one must fit to.
CREATE TABLE cmp_transaction (
    tenant_id      text COLLATE "C" NOT NULL,
    transaction_id bytea NOT NULL,         -- the client's
    fleet_id       text COLLATE "C" NOT NULL,
    peer           bytea NOT NULL,         -- SHA-256 of what protects its messages: a certificate, or a reference
    state          text NOT NULL CHECK (state IN ('OPEN', 'WAITING', 'ISSUED', 'CLOSED')),
    nonce          bytea,                  -- that we sent last, and the next message must repeat
    message        bytea,                  -- the request, while it waits for approval
    certificate    bytea,                  -- what was issued, DER, until it is confirmed
    expires_at     timestamptz NOT NULL,   -- when the row may go
    PRIMARY KEY (tenant_id, transaction_id)
);
CREATE INDEX cmp_transaction_by_end ON cmp_transaction (tenant_id, expires_at);
CALL build_tenant_wall('cmp_transaction');
