-- Metering: a device counts in a UTC month when it did something in it that proved who it is. Being claimed is free.

-- One row for each device, owner and month: that is what "exactly once" rests on. The first proof is kept.
CREATE TABLE usage_device (
    tenant_id   text COLLATE "C" NOT NULL,
    month       date NOT NULL,             -- its first day
    device_id   uuid NOT NULL,
    fleet_id    text COLLATE "C" NOT NULL,
    operation   text NOT NULL CHECK (operation IN ('ENROL', 'RENEW', 'CHECK_IN')),
    occurred_at timestamptz NOT NULL,
    certificate bytea,                     -- serial number of the certificate that the device had then
    late        boolean NOT NULL,          -- came when the month was closed: an adjustment
    PRIMARY KEY (tenant_id, month, device_id)
);
CREATE INDEX usage_device_late ON usage_device (tenant_id, month, device_id) WHERE late;

-- Months that are closed, or about to be. From the row on, what comes is late.
CREATE TABLE usage_month (
    tenant_id text COLLATE "C" NOT NULL,
    month     date NOT NULL,
    closed_at timestamptz,                 -- null while the hash is made
    devices   bigint,
    digest    bytea,                       -- over the rows that are not late, in the order of device ids
    PRIMARY KEY (tenant_id, month),
    CHECK ((closed_at IS NULL) = (digest IS NULL))
);

-- The counts of months stand beside those of states, as usage:2026-07 and late:2026-07.
CREATE FUNCTION count_usage_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id,
        CASE WHEN late THEN 'late:' ELSE 'usage:' END || to_char(month, 'YYYY-MM'), count(*)
    FROM added GROUP BY tenant_id, fleet_id, late, month;
    RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON usage_device REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_usage_added();

CALL build_tenant_wall('usage_device');
CALL build_tenant_wall('usage_month');
