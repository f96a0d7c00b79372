-- Word of changes to what nodes remember: API keys, and what decisions at the door rest on.
--
-- Each is told under its topic ('device', tenant and device; 'apikey', tenant and key; 'parties' and tenant) in the
-- transaction that makes it, by whatever way it is made, and is heard by every node when that has committed. Triggers
-- are per row with a condition, which costs next to nothing where nothing that matters has changed.

CREATE FUNCTION tell_device() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'device ' || OLD.tenant_id || ' ' || OLD.device_id);
    RETURN NULL;
END $$;

-- Nobody remembers anything of devices that are claimed and no more, so that first enrolments tell nothing.
CREATE TRIGGER device_told AFTER UPDATE ON device FOR EACH ROW
    WHEN (OLD.state <> 'CLAIMED' AND (OLD.state <> NEW.state OR OLD.fleet_id <> NEW.fleet_id
        OR OLD.certificate IS DISTINCT FROM NEW.certificate))
    EXECUTE FUNCTION tell_device();
CREATE TRIGGER device_gone_told AFTER DELETE ON device FOR EACH ROW EXECUTE FUNCTION tell_device();
CREATE TRIGGER certificate_told AFTER UPDATE ON certificate FOR EACH ROW
    WHEN (OLD.device_id IS NOT NULL AND (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at
        OR OLD.device_id IS DISTINCT FROM NEW.device_id))
    EXECUTE FUNCTION tell_device();
CREATE TRIGGER posture_told AFTER UPDATE ON device_posture FOR EACH ROW EXECUTE FUNCTION tell_device();
CREATE TRIGGER posture_gone_told AFTER DELETE ON device_posture FOR EACH ROW EXECUTE FUNCTION tell_device();

CREATE FUNCTION tell_first_posture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'device ' || NEW.tenant_id || ' ' || NEW.device_id);
    RETURN NULL;
END $$;
CREATE TRIGGER first_posture_told AFTER INSERT ON device_posture FOR EACH ROW EXECUTE FUNCTION tell_first_posture();

CREATE FUNCTION tell_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'apikey ' || OLD.tenant_id || ' ' || OLD.key_id);
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_told AFTER UPDATE ON api_key FOR EACH ROW
    WHEN ((OLD.role, OLD.secret_hash, OLD.expires_at, OLD.revoked_at)
        IS DISTINCT FROM (NEW.role, NEW.secret_hash, NEW.expires_at, NEW.revoked_at))
    EXECUTE FUNCTION tell_api_key();
CREATE TRIGGER api_key_gone_told AFTER DELETE ON api_key FOR EACH ROW EXECUTE FUNCTION tell_api_key();

-- They are few: a change of one outdates what is remembered of all of a tenant's.
CREATE FUNCTION tell_parties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'parties ' || coalesce(NEW.tenant_id, OLD.tenant_id));
    RETURN NULL;
END $$;
CREATE TRIGGER relying_party_told AFTER INSERT OR UPDATE OR DELETE ON relying_party FOR EACH ROW
    EXECUTE FUNCTION tell_parties();
