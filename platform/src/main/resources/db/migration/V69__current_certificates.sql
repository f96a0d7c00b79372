-- A renewal supersedes what was current: one certificate or two. Without this it read all that its device ever had,
-- thousands where a device renews in a loop.
CREATE INDEX certificate_current ON certificate (tenant_id, device_id)
    WHERE device_id IS NOT NULL AND superseded_at IS NULL AND revoked_at IS NULL;
