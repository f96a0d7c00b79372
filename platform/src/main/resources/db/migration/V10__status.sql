-- What is said about certificates after they were issued: revocation lists and OCSP.

-- Which of its authority's partitioned revocation lists speaks for it, as its distribution point says; 0 for none.
ALTER TABLE certificate ADD COLUMN crl_partition integer NOT NULL DEFAULT 0;

-- What revocation lists are made from, in the order in which they are made.
CREATE INDEX certificate_revoked ON certificate (tenant_id, authority_id, crl_partition, serial_number)
    INCLUDE (revoked_at, revocation_reason, not_after) WHERE revoked_at IS NOT NULL;

-- How an authority's status is published, and where that has got to. Made when it is first needed.
CREATE TABLE authority_status (
    tenant_id          text COLLATE "C" NOT NULL,
    authority_id       uuid NOT NULL,
    crl_lifetime       bigint NOT NULL,          -- seconds; a list is renewed when half of them are over
    partition_size     integer NOT NULL,         -- how many certificates share a partition at the most
    publish_at_once    boolean NOT NULL,         -- whether a revocation makes new lists, or waits for the next ones
    ocsp_lifetime      bigint NOT NULL,          -- seconds that an answer may be believed
    open_partition     integer NOT NULL DEFAULT 1, -- where new certificates go
    partition_reserved integer NOT NULL DEFAULT 0, -- how many places of it nodes have taken
    crl_number         bigint NOT NULL DEFAULT 0,  -- the highest that was given to a list, published or not
    checked_at         timestamptz,              -- when it was last seen to that all lists are fresh
    due_at             timestamptz,              -- when that must be done again
    lease              uuid,                     -- whoever makes its lists just now
    leased_until       timestamptz,              -- by the database's clock, which all nodes share
    PRIMARY KEY (tenant_id, authority_id)
);

-- The published revocation lists. Partition 0 is the full list.
CREATE TABLE crl (
    tenant_id    text COLLATE "C" NOT NULL,
    authority_id uuid NOT NULL,
    partition    integer NOT NULL,
    number       bigint NOT NULL,
    this_update  timestamptz NOT NULL,
    next_update  timestamptz NOT NULL,
    scheduled_at timestamptz NOT NULL,           -- this_update of the last list that was made because its time had come
    entries      bigint NOT NULL,
    size         bigint NOT NULL,
    digest       bytea NOT NULL,                 -- SHA-256 of the DER
    build_millis bigint NOT NULL,
    PRIMARY KEY (tenant_id, authority_id, partition)
);

-- Their DER in pieces. Pieces of a number that no row of crl names belong to a list that is being made, was replaced a
-- moment ago, or was never finished.
CREATE TABLE crl_piece (
    tenant_id    text COLLATE "C" NOT NULL,
    authority_id uuid NOT NULL,
    partition    integer NOT NULL,
    number       bigint NOT NULL,
    position     integer NOT NULL,
    content      bytea NOT NULL,
    PRIMARY KEY (tenant_id, authority_id, partition, number, position)
);
ALTER TABLE crl_piece ALTER COLUMN content SET STORAGE EXTERNAL; -- it does not compress

-- Lists that a revocation has outdated: rows are added by the transaction that revokes, each its own, so that many may
-- revoke at once; and deleted by the list that takes them in.
CREATE TABLE crl_change (
    tenant_id    text COLLATE "C" NOT NULL,
    authority_id uuid NOT NULL,
    partition    integer NOT NULL,
    transaction  bigint NOT NULL,
    PRIMARY KEY (tenant_id, authority_id, partition, transaction)
);

-- Delegated OCSP responders: short-lived certificates, and where their keys are.
CREATE TABLE ocsp_responder (
    tenant_id     text COLLATE "C" NOT NULL,
    authority_id  uuid NOT NULL,
    serial_number bytea NOT NULL,
    key_handle    text COLLATE "C" NOT NULL,
    certificate   bytea NOT NULL,          -- DER
    not_before    timestamptz NOT NULL,
    not_after     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, authority_id, serial_number)
);

-- A certificate's row changes only when it is revoked or released. Whoever does that, by whatever way, outdates the
-- lists, and every node hears of it when the transaction commits.
CREATE FUNCTION note_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crl_change (tenant_id, authority_id, partition, transaction)
    SELECT DISTINCT c.tenant_id, c.authority_id, p.partition, pg_current_xact_id()::text::bigint
    FROM changed c CROSS JOIN LATERAL (VALUES (0), (c.crl_partition)) p (partition)
    ON CONFLICT DO NOTHING;
    PERFORM pg_notify('tegata_status', a.tenant_id || ' ' || a.authority_id)
    FROM (SELECT DISTINCT tenant_id, authority_id FROM changed) a;
    RETURN NULL;
END $$;
CREATE TRIGGER certificate_revocation AFTER UPDATE ON certificate REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_revocations();

-- New authorities get their lists at once, and retired ones are heard of.
CREATE FUNCTION note_authority() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_status', NEW.tenant_id || ' ' || NEW.authority_id);
    RETURN NULL;
END $$;
CREATE TRIGGER authority_change AFTER INSERT OR UPDATE ON authority FOR EACH ROW EXECUTE FUNCTION note_authority();

CALL build_tenant_wall('authority_status');
CALL build_tenant_wall('crl');
CALL build_tenant_wall('crl_piece');
CALL build_tenant_wall('crl_change');
CALL build_tenant_wall('ocsp_responder');

-- Profiles of fleets that are there already: where they name no addresses, certificates get the usual ones from now on.
DO $$
DECLARE
    tenants text[];
    each text;
BEGIN
    PERFORM set_config('tegata.tenant', '*', true);
    tenants := ARRAY(SELECT tenant_id FROM tenant);
    FOREACH each IN ARRAY tenants LOOP
        PERFORM set_config('tegata.tenant', each, true);
        UPDATE fleet SET profile = jsonb_set(profile, '{locations,standard}', 'true') WHERE tenant_id = each;
    END LOOP;
    PERFORM set_config('tegata.tenant', '', true);
END $$;
