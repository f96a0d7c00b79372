-- One more sign of two devices with one identity: an older certificate is shown after a newer one for the same key.
ALTER TABLE device_report ADD COLUMN shown_from timestamptz; -- when the certificate that it showed last becomes valid
