-- Reading in one statement: who asks and what is asked for travel together. A statement begins with `FROM entered(...)`
-- and joins what it wants laterally, by the organization that comes out: so nothing is read before the reader is known,
-- and where the user is not active or the session has ended, nothing comes out and nothing is read at all. What is set
-- here is for the statement's own transaction, and ends with it.

CREATE OR REPLACE FUNCTION entered(organization uuid, reader uuid, session uuid) RETURNS SETOF uuid
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    PERFORM set_config('app.organization_id', organization::text, true);
    -- without a reader: a visit, which was checked, and told of in both trails, in a transaction before
    IF reader IS NULL OR EXISTS (
        SELECT FROM users AS u WHERE u.id = reader AND u.organization_id = organization AND u.status = 'active'
        AND (session IS NULL OR EXISTS (
            SELECT FROM sessions AS s WHERE s.id = session AND s.user_id = u.id AND s.ended_at IS NULL)))
    THEN
        RETURN NEXT organization;
    END IF;
END $$;
REVOKE ALL ON FUNCTION entered(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION entered(uuid, uuid, uuid) TO "tallywire_app";

-- What is due is looked for from the first that is: now() is one time for the whole statement, so it can bound a scan of
-- the index; clock_timestamp() is another at each row, and every row that waits was looked at. Claims begin their
-- transactions, so that the two are the same time.
CREATE OR REPLACE FUNCTION claim_due_content() RETURNS TABLE (content_id uuid, organization_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.claiming', 'on', true);
    RETURN QUERY
        UPDATE content AS piece SET schedule_issued_at = clock_timestamp()
        WHERE piece.id = (
            SELECT due.id FROM content AS due
            WHERE due.status = 'approved' AND due.scheduled_at <= now() AND due.schedule_issued_at IS NULL
            ORDER BY due.scheduled_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING piece.id, piece.organization_id;
    PERFORM set_config('app.claiming', '', true);
END $$;
CREATE OR REPLACE FUNCTION claim_due_command() RETURNS SETOF commands_aside
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.claiming', 'on', true);
    RETURN QUERY
        SELECT * FROM commands_aside AS waiting
        WHERE waiting.due_at <= now() AND NOT EXISTS (
            SELECT FROM commands_aside AS before
            WHERE before.key = waiting.key AND before.position < waiting.position AND before.due_at IS NOT NULL
              AND before.organization_id IS NOT DISTINCT FROM waiting.organization_id)
        ORDER BY waiting.due_at, waiting.position LIMIT 1 FOR UPDATE SKIP LOCKED;
    PERFORM set_config('app.claiming', '', true);
END $$;
