-- What other CAs have revoked, as far as their revocation lists were brought in: of CAs whose certificates sign
-- evidence, are devices' birth certificates or speak for TPMs.
CREATE TABLE revocation_list (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    issuer      bytea NOT NULL,            -- SHA-256 of the CA's name and public key
    scope       text COLLATE "C" NOT NULL, -- all, users, authorities, or the URL of a distribution point
    issuer_name text NOT NULL,
    this_update timestamptz NOT NULL,
    next_update timestamptz,               -- after which the list is stale; null: never
    number      numeric,                   -- the CRL number
    entries     integer NOT NULL,
    digest      bytea NOT NULL,            -- SHA-256 of the list
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, issuer, scope)
);

CREATE TABLE revoked_elsewhere (
    tenant_id  text COLLATE "C" NOT NULL,
    issuer     bytea NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    serial     bytea NOT NULL,             -- content octets of the serial number
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, issuer, scope, serial),
    FOREIGN KEY (tenant_id, issuer, scope) REFERENCES revocation_list ON DELETE CASCADE
);

-- Whether a CA's birth or TPM certificates are refused while it is not known whether they are revoked. Of certificates
-- that sign evidence, the appraisal policy says it.
ALTER TABLE trusted_certificate ADD COLUMN status_required boolean NOT NULL DEFAULT false;

CALL build_tenant_wall('revocation_list');
CALL build_tenant_wall('revoked_elsewhere');
