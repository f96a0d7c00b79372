-- Certificates on hold by their authority: whom its end would find suspended. Statements repeat the condition word for
-- word, so that their plans can rest on it.
CREATE INDEX certificate_held ON certificate (tenant_id, authority_id, serial_number)
    WHERE revocation_reason = 6 AND revoked_at IS NOT NULL;
