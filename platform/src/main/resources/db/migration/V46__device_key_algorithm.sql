-- Which kind of key each device in service lives by, so that a change of a fleet's rules finds whom it would break.

ALTER TABLE device ADD COLUMN key_algorithm text COLLATE "C"; -- of the key in its current operational certificate

ALTER TABLE device NO FORCE ROW LEVEL SECURITY;
ALTER TABLE certificate NO FORCE ROW LEVEL SECURITY;
-- The beginnings of a SubjectPublicKeyInfo, each of one kind and length.
UPDATE device d SET key_algorithm = k.algorithm
    FROM certificate c, (VALUES
        ('ec-p256', '\x3059301306072a8648ce3d020106082a8648ce3d030107'::bytea),
        ('ec-p384', '\x3076301006072a8648ce3d020106052b81040022'),
        ('ed25519', '\x302a300506032b6570'),
        ('rsa-2048', '\x30820122300d06092a864886f70d01010105000382010f00'),
        ('rsa-3072', '\x308201a2300d06092a864886f70d01010105000382018f00'),
        ('rsa-4096', '\x30820222300d06092a864886f70d01010105000382020f00'),
        ('ml-dsa-44', '\x30820532300b0609608648016503040311'),
        ('ml-dsa-65', '\x308207b2300b0609608648016503040312'),
        ('ml-dsa-87', '\x30820a32300b0609608648016503040313')) AS k (algorithm, beginning)
    WHERE c.tenant_id = d.tenant_id AND c.serial_number = d.certificate AND d.state IN ('ACTIVE', 'SUSPENDED')
        AND position(k.beginning IN c.encoded) > 0;
ALTER TABLE device FORCE ROW LEVEL SECURITY;
ALTER TABLE certificate FORCE ROW LEVEL SECURITY;

CREATE INDEX device_by_key ON device (tenant_id, fleet_id, key_algorithm, device_id)
    WHERE state IN ('ACTIVE', 'SUSPENDED') AND key_algorithm IS NOT NULL;
CREATE INDEX device_with_two_chains ON device (tenant_id, fleet_id, device_id)
    WHERE state IN ('ACTIVE', 'SUSPENDED') AND parallel_certificate IS NOT NULL;
