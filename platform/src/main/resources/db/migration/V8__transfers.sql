-- Transfers of ownership. Each side's rows are its own; what crosses the wall is one column of chip_owner, and what
-- the service of custody carries from a transaction of the seller's into one of the buyer's.

-- Whom the owner has released the chip to. From here only that tenant can take it: it sees the row, and may put itself
-- in the owner's place. That update is the moment in which a chip changes hands.
ALTER TABLE chip_owner ADD COLUMN promised_to text COLLATE "C";
CREATE POLICY promised_see ON chip_owner FOR SELECT USING (promised_to = current_tenant());
CREATE POLICY promised_take ON chip_owner FOR UPDATE
    USING (promised_to = current_tenant()) WITH CHECK (tenant_id = current_tenant());
-- Who names a chip sees whose it is: for the service that then demands a proof of possession, and for nobody else.
CREATE POLICY named_see ON chip_owner FOR SELECT
    USING (chip || '/' || serial = current_setting('tegata.named_chip', true));

-- The seller's side.
CREATE TABLE transfer (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    transfer_id uuid NOT NULL,
    basis       text NOT NULL CHECK (basis IN ('OFFER', 'POSSESSION')),
    state       text NOT NULL CHECK (state IN
                    ('PREPARING', 'OFFERED', 'COOLING', 'ACCEPTED', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
    buyer_id    text COLLATE "C",          -- null while a code waits for whoever has it
    buyer_fleet text COLLATE "C",
    code_hash   bytea,                     -- SHA-256 of a one-time code
    history     boolean NOT NULL,          -- whether the device's history goes with it
    message     text NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,      -- of an offer; of a claim by possession, the end of the cool-down
    accepted_at timestamptz,
    ended_at    timestamptz,
    PRIMARY KEY (tenant_id, transfer_id)
);
CREATE UNIQUE INDEX transfer_by_code ON transfer (tenant_id, code_hash) WHERE code_hash IS NOT NULL;

CREATE TABLE transfer_device (
    tenant_id   text COLLATE "C" NOT NULL,
    transfer_id uuid NOT NULL,
    device_id   uuid NOT NULL,
    state       text NOT NULL CHECK (state IN ('OFFERED', 'RELEASED', 'ARRIVED', 'REFUSED', 'CLOSED')),
    reason      text,                      -- why it was refused
    proven_at   timestamptz,               -- when the buyer proved possession
    parcel      jsonb,                     -- what the buyer gets, from release to arrival
    PRIMARY KEY (tenant_id, transfer_id, device_id),
    FOREIGN KEY (tenant_id, transfer_id) REFERENCES transfer
);
-- A device stands in one open transfer at a time.
CREATE UNIQUE INDEX transfer_device_open ON transfer_device (tenant_id, device_id) WHERE state = 'OFFERED';

-- The buyer's side.
CREATE TABLE incoming_transfer (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenant,
    transfer_id uuid NOT NULL,
    seller_id   text COLLATE "C" NOT NULL,
    seller_name text NOT NULL,
    basis       text NOT NULL,
    state       text NOT NULL,
    devices     bigint NOT NULL,
    fleet_id    text COLLATE "C",
    message     text NOT NULL,
    expires_at  timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, transfer_id)
);

-- Devices that have arrived: a row makes the arrival happen once.
CREATE TABLE incoming_device (
    tenant_id   text COLLATE "C" NOT NULL,
    transfer_id uuid NOT NULL,
    device_id   uuid NOT NULL,
    arrived_at  timestamptz NOT NULL,
    history     jsonb,                     -- what the seller exported of the device's life before
    PRIMARY KEY (tenant_id, transfer_id, device_id),
    FOREIGN KEY (tenant_id, transfer_id) REFERENCES incoming_transfer
);
CREATE INDEX incoming_device_by_device ON incoming_device (tenant_id, device_id, arrived_at);

-- Devices that this tenant owned once and has handed over, by the keys and certificates with which they may still ask.
CREATE TABLE handed_over (
    tenant_id   text COLLATE "C" NOT NULL,
    device_id   uuid NOT NULL,
    transfer_id uuid NOT NULL,
    fleet_id    text COLLATE "C" NOT NULL, -- where it was
    new_fleet   text COLLATE "C" NOT NULL, -- where it belongs now
    chip        text COLLATE "C" NOT NULL,
    serial      text COLLATE "C" NOT NULL,
    released_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, device_id)
);
CREATE TABLE handed_over_key (
    tenant_id   text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,            -- of a birth key
    device_id   uuid NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint)
);

-- Keys that certificates of earlier owners carried: never certified again for that device.
CREATE TABLE spent_key (
    tenant_id   text COLLATE "C" NOT NULL,
    device_id   uuid NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (tenant_id, device_id, fingerprint)
);

-- Codes on devices' labels, that prove possession.
CREATE TABLE label_code (
    tenant_id text COLLATE "C" NOT NULL,
    device_id uuid NOT NULL,
    code_hash bytea NOT NULL,              -- SHA-256 of chip, serial number and code
    PRIMARY KEY (tenant_id, device_id)
);

-- Challenges for chips to sign, each good once. Of the tenant that wants to prove possession.
CREATE TABLE possession_challenge (
    tenant_id  text COLLATE "C" NOT NULL,
    challenge  bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, challenge)
);

-- Temporary use of a device by another tenant: the owner's row decides, the holder's row leads to it.
CREATE TABLE device_grant (
    tenant_id  text COLLATE "C" NOT NULL,
    grant_id   uuid NOT NULL,
    device_id  uuid NOT NULL,
    holder_id  text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,       -- brought forward when it is revoked
    PRIMARY KEY (tenant_id, grant_id)
);
CREATE INDEX device_grant_by_device ON device_grant (tenant_id, device_id, grant_id);
CREATE TABLE held_grant (
    tenant_id  text COLLATE "C" NOT NULL,
    grant_id   uuid NOT NULL,
    owner_id   text COLLATE "C" NOT NULL,
    device_id  uuid NOT NULL,
    ends_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id)
);
CREATE INDEX held_grant_by_device ON held_grant (tenant_id, device_id, grant_id);

-- What the background has to look at and when: transfers to be announced, moved or ended, devices whose entries wait
-- for a signature. Few rows, and read across tenants to learn which of them have something to do.
CREATE TABLE custody_work (
    tenant_id text COLLATE "C" NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('TRANSFER', 'SIGN')),
    subject   uuid NOT NULL,               -- a transfer, or a device
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['transfer', 'transfer_device', 'incoming_transfer', 'incoming_device', 'handed_over',
        'handed_over_key', 'spent_key', 'label_code', 'possession_challenge', 'device_grant', 'held_grant',
        'custody_work']
    LOOP
        CALL build_tenant_wall(name);
    END LOOP;
    CREATE POLICY work_list ON custody_work FOR SELECT USING (current_tenant() = '*');
END $$;
