-- The software vault's key-encryption key, while it is being changed: new keys are sealed under the next one at once,
-- the others are sealed anew in the background. When none is left, the next one is the key.
ALTER TABLE vault_key ADD COLUMN next_key_id bytea;

-- Which key-encryption keys each running node can open: a key is not changed to one that a node lacks.
CREATE TABLE vault_node (
    node_id uuid PRIMARY KEY,
    key_ids text[] NOT NULL,    -- in hexadecimal
    seen_at timestamptz NOT NULL -- by the database's clock
);
