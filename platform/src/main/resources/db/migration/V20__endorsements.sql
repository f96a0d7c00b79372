-- Endorsements: what trusted authors say about classes of devices and about single ones.
--
-- A manifest (CoRIM) is kept whole, and beside it statement by statement under the subjects that each is about, so
-- that an appraisal reads what its evidence can touch and nothing else. A subject is 16 bytes of a SHA-256: of a class
-- id, an instance, a vendor and model, an attestation key, or a tag.

-- What appraisals of a tenant rest on. Each change counts up, in the change's own transaction: caches compare.
CREATE TABLE appraisal_basis (
    tenant_id           text COLLATE "C" PRIMARY KEY REFERENCES tenant,
    endorsement_version bigint NOT NULL DEFAULT 0, -- of endorsements, trust anchors and attestation keys together
    policy_id           text COLLATE "C",          -- of the policy in force; null where it is the built-in one
    policy_version      integer
);

-- Who may sign endorsements.
CREATE TABLE endorsement_signer (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    fingerprint bytea NOT NULL,            -- SHA-256 of the SubjectPublicKeyInfo
    name        text NOT NULL,             -- as results call it
    public_key  bytea NOT NULL,            -- DER SubjectPublicKeyInfo
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint),
    UNIQUE (tenant_id, name)
);

-- Every manifest that was accepted.
CREATE TABLE endorsement (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenant,
    endorsement_id uuid NOT NULL,
    name           text NOT NULL,          -- the manifest's own id, as people write it
    profile        text,
    digest         bytea NOT NULL,         -- SHA-256 of the document
    document       bytea NOT NULL,         -- as it came: a CoRIM, or the COSE_Sign1 around one
    signer         text NOT NULL,          -- name of the signer; '' where it came unsigned, by an API key
    signer_key     bytea,                  -- fingerprint of the signer's key
    not_before     timestamptz,            -- where manifest and signature both hold
    not_after      timestamptz,
    next_change_at timestamptz,            -- when something in it begins or ends to hold
    state          text NOT NULL CHECK (state IN ('ACTIVE', 'SUPERSEDED', 'WITHDRAWN', 'EXPIRED')),
    superseded_by  uuid,
    submitted_at   timestamptz NOT NULL,
    submitted_by   text NOT NULL,
    ended_at       timestamptz,
    PRIMARY KEY (tenant_id, endorsement_id),
    UNIQUE (tenant_id, digest)
);
CREATE INDEX endorsement_changes ON endorsement (tenant_id, next_change_at) WHERE state = 'ACTIVE';
CREATE INDEX endorsement_by_signer ON endorsement (tenant_id, signer_key, endorsement_id) WHERE state = 'ACTIVE';

-- The tags of a manifest, without their statements.
CREATE TABLE endorsement_tag (
    tenant_id      text COLLATE "C" NOT NULL,
    endorsement_id uuid NOT NULL,
    position       integer NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('COMID', 'COTL', 'OTHER')),
    name           text NOT NULL,          -- the tag's id, as people write it
    version        bigint NOT NULL,
    digest         bytea NOT NULL,         -- SHA-256 of the tag
    header         bytea NOT NULL,         -- identity, and links to other tags or the list of activated ones, in CBOR
    PRIMARY KEY (tenant_id, endorsement_id, position),
    FOREIGN KEY (tenant_id, endorsement_id) REFERENCES endorsement
);

-- Which tags belong together: a manifest stands under the subject of each tag that it holds, replaces, or switches on.
CREATE TABLE endorsement_link (
    tenant_id      text COLLATE "C" NOT NULL,
    subject        bytea NOT NULL,
    endorsement_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, subject, endorsement_id),
    FOREIGN KEY (tenant_id, endorsement_id) REFERENCES endorsement
);
CREATE INDEX endorsement_link_back ON endorsement_link (tenant_id, endorsement_id);

-- Single statements (triples), under the subjects they are about. A statement about two stands twice.
CREATE TABLE endorsement_statement (
    tenant_id      text COLLATE "C" NOT NULL,
    subject        bytea NOT NULL,
    endorsement_id uuid NOT NULL,
    position       integer NOT NULL,       -- of its tag
    number         integer NOT NULL,       -- in its tag
    kind           bytea NOT NULL,         -- of triple, in CBOR
    content        bytea NOT NULL,         -- the triple, in CBOR
    one_device     boolean NOT NULL,       -- about one device only, and not about its keys
    PRIMARY KEY (tenant_id, subject, endorsement_id, position, number),
    FOREIGN KEY (tenant_id, endorsement_id) REFERENCES endorsement
);
CREATE INDEX endorsement_statement_one ON endorsement_statement (tenant_id) WHERE one_device;
CREATE INDEX endorsement_statement_back ON endorsement_statement (tenant_id, endorsement_id);

-- What stored appraisals are to be judged again for: a manifest that came, went, or began or ceased to hold; or all of
-- them. Rows are added under the lock on appraisal_basis; an open job of the kind 'reappraisal' works them off.
CREATE TABLE reappraisal_request (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenant,
    request_id     uuid NOT NULL,          -- in order of time
    endorsement_id uuid,                   -- null: all stored evidence is touched
    requested_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);

-- Attestation keys of TPMs that proved to live beside a trusted endorsement key.
CREATE TABLE attestation_key (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenant,
    fingerprint  bytea NOT NULL,           -- SHA-256 of the SubjectPublicKeyInfo
    public_key   bytea NOT NULL,           -- DER SubjectPublicKeyInfo
    device_id    uuid,
    environment  bytea NOT NULL,           -- what the key speaks for, in CBOR
    endorsement_key bytea NOT NULL,        -- SHA-256 of the endorsement key's SubjectPublicKeyInfo
    source       text NOT NULL,            -- why it is believed, for people
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint)
);
CREATE INDEX attestation_key_by_device ON attestation_key (tenant_id, device_id) WHERE device_id IS NOT NULL;

-- Activations that wait for the secret.
CREATE TABLE key_activation (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenant,
    activation_id uuid NOT NULL,
    secret_hash   bytea NOT NULL,          -- SHA-256 of 32 random bytes
    public_key    bytea NOT NULL,
    device_id     uuid,
    environment   bytea NOT NULL,
    endorsement_key bytea NOT NULL,
    source        text NOT NULL,
    expires_at    timestamptz NOT NULL,
    answered_at   timestamptz,
    PRIMARY KEY (tenant_id, activation_id)
);
CREATE INDEX key_activation_ends ON key_activation (tenant_id, expires_at);

-- CAs of attestation keys, TPM vendors and DICE roots are trusted for that and nothing else.
ALTER TABLE trusted_certificate DROP CONSTRAINT trusted_certificate_purpose_check;
ALTER TABLE trusted_certificate ADD CONSTRAINT trusted_certificate_purpose_check
    CHECK (purpose IN ('MANIFEST_SIGNER', 'BIRTH_CA', 'ATTESTATION_CA', 'TPM_VENDOR_CA', 'DICE_ROOT'));

CALL build_tenant_wall('appraisal_basis');
CALL build_tenant_wall('endorsement_signer');
CALL build_tenant_wall('endorsement');
CALL build_tenant_wall('endorsement_tag');
CALL build_tenant_wall('endorsement_link');
CALL build_tenant_wall('endorsement_statement');
CALL build_tenant_wall('reappraisal_request');
CALL build_tenant_wall('attestation_key');
CALL build_tenant_wall('key_activation');
