-- Whether what changes a tenant's trust needs a second person.
CREATE TABLE approval_rule (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES tenant,
    required  boolean NOT NULL
);

-- Requests that wait for a second person, and what became of them. What was asked is kept as a digest, so that no secret is
-- kept, and in words for who decides.
CREATE TABLE approval (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenant,
    approval_id  uuid NOT NULL,
    permission   text NOT NULL,            -- that the request needs, and who decides about it too
    method       text NOT NULL,
    target       text NOT NULL,
    description  text NOT NULL,            -- the body without secrets
    digest       bytea NOT NULL,           -- SHA-256 of method, target, type and body
    state        text NOT NULL CHECK (state IN ('PENDING', 'APPROVED', 'REJECTED', 'USED')),
    requested_by text NOT NULL,            -- id of the API key
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    decided_by   text,
    decided_at   timestamptz,
    PRIMARY KEY (tenant_id, approval_id)
);
CREATE INDEX approval_open ON approval (tenant_id, expires_at) WHERE state IN ('PENDING', 'APPROVED');

CALL build_tenant_wall('approval_rule');
CALL build_tenant_wall('approval');
