-- Devices that have never checked in cannot be told anything. A campaign waits until they renew by themselves
-- (OWN_RENEWAL, or RETURNING), and no longer than their certificate lives: from then on they are ENDED.
ALTER TABLE rollover_device DROP CONSTRAINT rollover_device_step_check,
    ADD CHECK (step IN ('WAITING', 'ANCHORS', 'RENEWAL', 'OWN_RENEWAL', 'MOVED', 'ENDED', 'FAILED', 'GONE', 'RETURNING',
        'RETURNED')),
    ADD COLUMN renews_by timestamptz;      -- when the certificate of such a device ends; null of all others
CREATE INDEX rollover_device_renewing ON rollover_device (tenant_id, rollover_id, renews_by)
    WHERE renews_by IS NOT NULL;
