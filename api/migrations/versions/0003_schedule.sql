-- When an approved piece is to be published. `schedule_issued_at` is set once, by whoever issued the command.

ALTER TABLE content ADD COLUMN scheduled_by uuid, ADD COLUMN schedule_issued_at timestamptz;
CREATE INDEX content_due ON content (scheduled_at)
WHERE status = 'approved' AND scheduled_at IS NOT NULL AND schedule_issued_at IS NULL;

-- A piece that is no longer approved, or has another time, is not published at the old one.
CREATE FUNCTION keep_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status NOT IN ('approved', 'published') OR NEW.revision <> OLD.revision THEN
        NEW.scheduled_at := NULL;
    END IF;
    IF NEW.scheduled_at IS DISTINCT FROM OLD.scheduled_at THEN
        NEW.schedule_issued_at := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER content_schedule BEFORE UPDATE OF status, revision, scheduled_at ON content
FOR EACH ROW EXECUTE FUNCTION keep_schedule();

-- A worker knows no organization when it looks for what is due. This function alone looks across them, as in `sign_in_of`.
CREATE POLICY claims ON content TO CURRENT_USER USING (current_setting('app.claiming', true) = 'on');
CREATE FUNCTION claim_due_content() RETURNS TABLE (content_id uuid, organization_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.claiming', 'on', true);
    RETURN QUERY
        UPDATE content AS piece SET schedule_issued_at = clock_timestamp()
        WHERE piece.id = (
            SELECT due.id FROM content AS due
            WHERE due.status = 'approved' AND due.scheduled_at <= clock_timestamp() AND due.schedule_issued_at IS NULL
            ORDER BY due.scheduled_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING piece.id, piece.organization_id;
    PERFORM set_config('app.claiming', '', true);
END $$;
REVOKE ALL ON FUNCTION claim_due_content() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_due_content() TO "tallywire_app";
