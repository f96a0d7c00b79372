-- Word of loans to the holder's brokers, under the topic 'device', holder and device: see V32__changes.sql. What
-- happens to a device that is lent is told under its owner's topic; nodes lead it on to whom it is lent.

CREATE FUNCTION tell_loan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'device ' || OLD.holder_id || ' ' || OLD.device_id);
    RETURN NULL;
END $$;
-- It is ended early by a change of its date, and by a sale of the device that removes it.
CREATE TRIGGER loan_ended_told AFTER UPDATE ON device_grant FOR EACH ROW
    WHEN (OLD.ends_at <> NEW.ends_at) EXECUTE FUNCTION tell_loan();
CREATE TRIGGER loan_gone_told AFTER DELETE ON device_grant FOR EACH ROW EXECUTE FUNCTION tell_loan();

CREATE FUNCTION tell_new_loan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tegata_change', 'device ' || NEW.tenant_id || ' ' || NEW.device_id);
    RETURN NULL;
END $$;
CREATE TRIGGER loan_told AFTER INSERT ON held_grant FOR EACH ROW EXECUTE FUNCTION tell_new_loan();
