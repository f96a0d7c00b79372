-- Webhooks: addresses that events are posted to. How far each is stands in event_reader, as 'webhook:' and its id.
CREATE TABLE webhook (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenant,
    webhook_id    uuid NOT NULL,
    name          text NOT NULL,
    url           text NOT NULL,
    types         text[] NOT NULL,         -- types of events, or their beginnings up to a dot; none for all
    sealed        bytea NOT NULL,          -- the secret of its signatures, sealed (secret_seal)
    state         text NOT NULL CHECK (state IN ('ACTIVE', 'PAUSED')),
    reason        text,                    -- why it is paused
    failing_since timestamptz,             -- first failure since the last success
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id)
);

-- Events on their way through a webhook, and what became of them. Of one subject one is PENDING, the later ones are HELD
-- behind it; only what somebody sends again goes beside that order. Times are the database's.
CREATE TABLE webhook_delivery (
    tenant_id   text COLLATE "C" NOT NULL,
    webhook_id  uuid NOT NULL,
    sequence    bigint NOT NULL,           -- the event's
    delivery_id uuid NOT NULL,             -- as the receiver sees it: the same in each attempt
    type        text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    content     text NOT NULL,             -- the event's, which may be gone from its own table
    state       text NOT NULL CHECK (state IN ('PENDING', 'HELD', 'DELIVERED', 'DEAD')),
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,      -- of the next attempt, where it is PENDING
    begun_at    timestamptz,               -- of the first attempt
    ended_at    timestamptz,               -- when it was delivered or given up
    status      integer,                   -- of the last answer; null where there was none
    problem     text,                      -- of the last attempt
    PRIMARY KEY (tenant_id, webhook_id, sequence)
);
CREATE UNIQUE INDEX webhook_delivery_by_id ON webhook_delivery (tenant_id, webhook_id, delivery_id);
CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, webhook_id, due_at) WHERE state = 'PENDING';
CREATE INDEX webhook_delivery_open ON webhook_delivery (tenant_id, webhook_id, subject, sequence)
    WHERE state IN ('PENDING', 'HELD');
CREATE INDEX webhook_delivery_dead ON webhook_delivery (tenant_id, webhook_id, sequence) WHERE state = 'DEAD';
CREATE INDEX webhook_delivery_ended ON webhook_delivery (tenant_id, ended_at) WHERE ended_at IS NOT NULL;

CALL build_tenant_wall('webhook');
CALL build_tenant_wall('webhook_delivery');
