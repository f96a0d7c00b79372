-- Custody: who owns a device, as a chain of signed entries.

-- The key that signs a tenant's entries; made when it is first needed.
CREATE TABLE custody_key (
    tenant_id  text COLLATE "C" PRIMARY KEY REFERENCES tenant,
    key_handle text COLLATE "C" NOT NULL,
    public_key bytea NOT NULL,             -- DER SubjectPublicKeyInfo
    owner_name text NOT NULL,              -- the name of the tenant, as its entries give it
    created_at timestamptz NOT NULL
);

-- A device's chain, as far as this tenant knows it: up to now for its owner, up to the hand-over for an earlier one.
-- Stays when the device goes. A fact is noted in the transaction that makes it one, and signed afterwards: by the
-- background, or as soon as the chain is asked for.
CREATE TABLE custody_entry (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    device_id   uuid NOT NULL,
    sequence    integer NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('CLAIMED', 'HANDED_OVER', 'RECEIVED', 'REFURBISHED', 'RETIRED')),
    happened_at timestamptz NOT NULL,
    claim       jsonb,                     -- of CLAIMED: what the device was known by
    entry       bytea,                     -- COSE_Sign1; null until it is signed
    PRIMARY KEY (tenant_id, device_id, sequence)
);

CALL build_tenant_wall('custody_key');
CALL build_tenant_wall('custody_entry');
