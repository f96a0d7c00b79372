-- What OCSP responders of other CAs say of their certificates, where these name no list that can be had.
CREATE TABLE revocation_answer (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    issuer      bytea NOT NULL,            -- SHA-256 of the CA's name and public key
    serial      bytea NOT NULL,            -- content octets of the serial number
    url         text COLLATE "C" NOT NULL, -- of the responder
    authority   bytea NOT NULL,            -- the certificate of the CA
    wanted_at   timestamptz NOT NULL,      -- when the answer was needed last, to a day
    fetched_at  timestamptz,               -- when the responder was asked last
    next_at     timestamptz NOT NULL,      -- when it is asked again
    this_update timestamptz,               -- of the answer that is here; null: there is none
    next_update timestamptz,               -- when that answer is over
    revoked_at  timestamptz,               -- null where it says good
    problem     text,                      -- what went wrong the last time
    failures    integer NOT NULL DEFAULT 0, -- since the last success
    PRIMARY KEY (tenant_id, issuer, serial)
);
CREATE INDEX revocation_answer_due ON revocation_answer (tenant_id, next_at);
CREATE INDEX revocation_answer_responder ON revocation_answer (tenant_id, url);
CALL build_tenant_wall('revocation_answer');
