-- Events: what others (webhooks, connectors) are told. Written in the transaction of the change itself. A row leaves
-- when every reader has done with it and its retention is over.
-- Sequence numbers are given under the lock on the tenant's audit_head: they have no gaps and follow the order of
-- commits, so that whoever reads by number misses nothing, and events of one device keep their order.
ALTER TABLE audit_head ADD COLUMN event_sequence bigint NOT NULL DEFAULT 0; -- of the tenant's last event

CREATE TABLE event (
    tenant_id   text COLLATE "C" NOT NULL,
    sequence    bigint NOT NULL,
    type        text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL, -- what it is about: device:…
    recorded_at timestamptz NOT NULL,
    content     text NOT NULL,             -- CloudEvents 1.0, structured JSON
    PRIMARY KEY (tenant_id, sequence)
);

-- Who reads events, how far they are, and which node reads for them now.
CREATE TABLE event_reader (
    tenant_id    text COLLATE "C" NOT NULL,
    reader       text COLLATE "C" NOT NULL, -- webhook:…
    sequence     bigint NOT NULL,           -- of the last event that it has done with
    due_at       timestamptz NOT NULL,      -- by the database's clock, as leases are
    attempts     integer NOT NULL DEFAULT 0, -- failures since the last success
    leased_by    uuid,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, reader)
);

-- Long work: what was asked for, how far it is, and what came of it.
CREATE TABLE job (
    tenant_id  text COLLATE "C" NOT NULL,
    job_id     uuid NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    parameters jsonb NOT NULL,
    actor      text NOT NULL,              -- who started it
    position   text,                       -- where the next step goes on, in the words of its kind
    total      bigint,                     -- pieces there are, where that is known
    done       bigint NOT NULL DEFAULT 0,
    refused    bigint NOT NULL DEFAULT 0,  -- each has a row in job_issue
    result     jsonb,
    failure    text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, job_id)
);

-- Pieces of a job that were refused: what and why.
CREATE TABLE job_issue (
    tenant_id text COLLATE "C" NOT NULL,
    job_id    uuid NOT NULL,
    number    bigint NOT NULL,             -- from 0
    subject   text NOT NULL,
    reason    text NOT NULL,               -- stable code
    detail    text NOT NULL,
    PRIMARY KEY (tenant_id, job_id, number)
);

-- The jobs that are not over, and who works on them. Small: it is read across tenants to find work.
CREATE TABLE open_job (
    tenant_id    text COLLATE "C" NOT NULL,
    job_id       uuid NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    due_at       timestamptz NOT NULL,     -- by the database's clock, as leases are: nodes' clocks differ
    attempts     integer NOT NULL DEFAULT 0, -- failures since the last step that succeeded
    leased_by    uuid,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, job_id)
);

CALL build_tenant_wall('event');
CALL build_tenant_wall('event_reader');
CALL build_tenant_wall('job');
CALL build_tenant_wall('job_issue');
CALL build_tenant_wall('open_job');
CREATE POLICY open_work ON open_job FOR SELECT USING (current_tenant() = '*');
CREATE POLICY open_work ON event_reader FOR SELECT USING (current_tenant() = '*');
CREATE POLICY open_work ON audit_head FOR SELECT USING (current_tenant() = '*'); -- is there a new event?
