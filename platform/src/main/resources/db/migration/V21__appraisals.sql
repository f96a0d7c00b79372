-- Appraisals: nonces and sessions on the way in, policies, results, and what was accepted, so that it can be judged
-- again without the device.

-- Nonces, each good for one piece of evidence. They stay a day after their end, so that none comes twice.
CREATE TABLE nonce (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenant,
    nonce      bytea NOT NULL,
    device_id  uuid,                       -- for whom it was made, where that is known
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, nonce)
);
CREATE INDEX nonce_ends ON nonce (tenant_id, expires_at);

-- Challenge-response exchanges. The nonce is in the table above too.
CREATE TABLE verification_session (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenant,
    session_id    uuid NOT NULL,
    nonce         bytea NOT NULL,
    device_id     uuid,                    -- who opened it, where that was a device
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    evidence_type text,                    -- media type; null while the session waits
    evidence      bytea,
    appraisal_id  uuid,
    result        text,                    -- the signed result, as the session's owner asked for it
    PRIMARY KEY (tenant_id, session_id),
    CHECK ((evidence_type IS NULL) = (result IS NULL))
);
CREATE INDEX verification_session_ends ON verification_session (tenant_id, expires_at);

-- Keys of the vault that sign results. One is current; retired ones are published while results of theirs hold.
CREATE TABLE result_key (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenant,
    key_id     text COLLATE "C" NOT NULL,  -- kid: the JWK thumbprint
    key_handle text COLLATE "C" NOT NULL,
    public_key bytea NOT NULL,             -- DER SubjectPublicKeyInfo
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (tenant_id, key_id)
);
CREATE UNIQUE INDEX result_key_current ON result_key (tenant_id) WHERE retired_at IS NULL;

-- Appraisal policies with the cases that they were tested with. A version never changes.
CREATE TABLE appraisal_policy (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenant,
    policy_id  text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    document   text NOT NULL,              -- JSON: policy and tests
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, version)
);

-- Which policy was put in force when; the last one is.
CREATE TABLE policy_activation (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenant,
    number         integer NOT NULL,       -- from 1
    policy_id      text COLLATE "C",       -- null for the built-in one
    policy_version integer,
    activated_at   timestamptz NOT NULL,
    activated_by   text NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

-- Every appraisal. Of each attester the newest are kept.
CREATE TABLE appraisal (
    tenant_id     text COLLATE "C" NOT NULL,
    appraisal_id  uuid NOT NULL,           -- in order of time; also the result's id
    attester      uuid NOT NULL,           -- the device; else made from the instance or key; zero where unknown
    device_id     uuid,                    -- the device, where the evidence is known to be of one of ours
    appraised_at  timestamptz NOT NULL,
    origin        text NOT NULL CHECK (origin IN ('SESSION', 'API', 'CHECK_IN', 'ENROLMENT')),
    scheme        text NOT NULL,           -- of the evidence: psa, tpm, ecc608, dice, eat; 'composite' for several
    status        text NOT NULL CHECK (status IN ('NONE', 'AFFIRMING', 'WARNING', 'CONTRAINDICATED')),
    vector        jsonb NOT NULL,          -- the worst value of each trustworthiness claim, by its name
    claims        bytea[] NOT NULL,        -- what was accepted of each attester: EvidenceOutcome.Verified
    problems      jsonb NOT NULL,          -- what was rejected: label, reason, sentence
    evidence_type text NOT NULL,           -- media type
    evidence_digest bytea NOT NULL,        -- SHA-256 of the evidence, which itself is not kept
    policy        text NOT NULL,           -- id/version
    endorsement_version bigint NOT NULL,   -- of appraisal_basis
    expires_at    timestamptz NOT NULL,    -- of the result
    result        text NOT NULL,           -- the result's claims in JSON, draft #04
    PRIMARY KEY (tenant_id, appraisal_id)
);
CREATE INDEX appraisal_by_attester ON appraisal (tenant_id, attester, appraisal_id);

-- Which subjects (as of endorsement_statement) the accepted claims of an appraisal touch: finds what to judge again.
CREATE TABLE appraisal_subject (
    tenant_id    text COLLATE "C" NOT NULL,
    subject      bytea NOT NULL,
    appraisal_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, subject, appraisal_id)
);
CREATE INDEX appraisal_subject_back ON appraisal_subject (tenant_id, appraisal_id);

CALL build_tenant_wall('nonce');
CALL build_tenant_wall('verification_session');
CALL build_tenant_wall('result_key');
CALL build_tenant_wall('appraisal_policy');
CALL build_tenant_wall('policy_activation');
CALL build_tenant_wall('appraisal');
CALL build_tenant_wall('appraisal_subject');
