-- A device's archived certificates, in the order in which it got them.
CREATE INDEX certificate_archive_by_device ON certificate_archive (tenant_id, device_id, issued_at);
