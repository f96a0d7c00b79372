-- Which devices can verify which signatures: kept by the look through all devices, so that a request counts nothing.

ALTER TABLE device_report ADD COLUMN algorithms text; -- that the device says it can verify, with commas between; part of
                                                      -- what digest is over

CREATE TABLE device_readiness (
    tenant_id  text COLLATE "C" NOT NULL,
    device_id  uuid NOT NULL,
    fleet_id   text COLLATE "C" NOT NULL,
    algorithms text COLLATE "C" NOT NULL, -- in their order, with commas between and around
    PRIMARY KEY (tenant_id, device_id)
);
CREATE INDEX device_readiness_by_algorithms ON device_readiness (tenant_id, fleet_id, algorithms, device_id);

-- How many devices can verify the same. Kept with each change, so that nobody counts.
CREATE TABLE fleet_readiness (
    tenant_id  text COLLATE "C" NOT NULL,
    fleet_id   text COLLATE "C" NOT NULL,
    algorithms text COLLATE "C" NOT NULL,
    devices    bigint NOT NULL,
    PRIMARY KEY (tenant_id, fleet_id, algorithms)
);
CALL build_tenant_wall('device_readiness');
CALL build_tenant_wall('fleet_readiness');
