-- Where the revocation lists of other CAs are fetched from: what certificates below a tenant's trusted CAs name.
CREATE TABLE revocation_source (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenant,
    url           text COLLATE "C" NOT NULL,
    issuer_name   text NOT NULL,
    issuers       bytea[] NOT NULL,        -- the certificate of the CA, and those up to the trusted one
    wanted_at     timestamptz NOT NULL,    -- when its list was missing, to a day
    fetched_at    timestamptz,             -- when it was asked last
    next_at       timestamptz NOT NULL,    -- when it is asked again
    next_update   timestamptz,             -- of the list that came from there
    tag           text,                    -- ETag and Last-Modified of that list
    last_modified text,
    digest        bytea,                   -- SHA-256 of that list
    problem       text,                    -- what went wrong the last time
    failures      integer NOT NULL DEFAULT 0, -- since the last success
    PRIMARY KEY (tenant_id, url)
);
CREATE INDEX revocation_source_due ON revocation_source (tenant_id, next_at);
CALL build_tenant_wall('revocation_source');
