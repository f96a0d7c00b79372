-- What each device costs when it is claimed, and what looking after the tables costs beside it.

-- As count_devices_changed does: added up before they are named.
CREATE OR REPLACE FUNCTION count_devices_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, sum(n) FROM (
        SELECT tenant_id, fleet_id, state, date_trunc('day', expires_at, 'UTC') AS day, count(*) AS n FROM added
        GROUP BY tenant_id, fleet_id, state, day) AS changes, device_counters(state, day) AS c
    GROUP BY tenant_id, fleet_id, c;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION count_devices_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO device_count_change (tenant_id, change_id, fleet_id, counter, difference)
    SELECT tenant_id, gen_random_uuid(), fleet_id, c, -sum(n) FROM (
        SELECT tenant_id, fleet_id, state, date_trunc('day', expires_at, 'UTC') AS day, count(*) AS n FROM removed
        GROUP BY tenant_id, fleet_id, state, day) AS changes, device_counters(state, day) AS c
    GROUP BY tenant_id, fleet_id, c;
    RETURN NULL;
END $$;

-- Nobody compares these, so the planner need not know how they are spread: to sort thousands of them is most of what
-- an analysis costs, and it comes in the middle of other work.
ALTER TABLE certificate ALTER COLUMN encoded SET STATISTICS 0;
ALTER TABLE device_key ALTER COLUMN public_key SET STATISTICS 0, ALTER COLUMN certificate SET STATISTICS 0;
ALTER TABLE event ALTER COLUMN content SET STATISTICS 0;
ALTER TABLE audit_record ALTER COLUMN record SET STATISTICS 0, ALTER COLUMN hash SET STATISTICS 0;
