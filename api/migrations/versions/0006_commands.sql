-- Commands that could not be carried out when they came. With `due_at` they wait: the first of a key is tried again then,
-- and those behind it wait for it. Without, they are dead: only a person brings them back. `position` is their order.

CREATE TABLE commands_aside (
    id uuid PRIMARY KEY,
    organization_id uuid,
    key text NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    attempts integer NOT NULL,
    due_at timestamptz,
    reason text NOT NULL,
    detail text NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX commands_waiting ON commands_aside (key, position) WHERE due_at IS NOT NULL;
CREATE INDEX commands_due ON commands_aside (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX commands_aside_of_organization ON commands_aside (organization_id, position);

-- A command of no organization belongs to the operator: it is seen where no organization was named.
ALTER TABLE commands_aside ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON commands_aside USING (organization_id IS NOT DISTINCT FROM current_organization());
CREATE POLICY relay_reads ON commands_aside FOR SELECT TO "tallywire_relay" USING (true);
CREATE POLICY claims ON commands_aside TO CURRENT_USER USING (current_setting('app.claiming', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON commands_aside TO "tallywire_app";
GRANT SELECT ON commands_aside TO "tallywire_relay";

-- The next command that is due and first of its key, locked; of any organization, as in `claim_due_content`.
CREATE FUNCTION claim_due_command() RETURNS SETOF commands_aside
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.claiming', 'on', true);
    RETURN QUERY
        SELECT * FROM commands_aside AS waiting
        WHERE waiting.due_at <= clock_timestamp() AND NOT EXISTS (
            SELECT FROM commands_aside AS before
            WHERE before.key = waiting.key AND before.position < waiting.position AND before.due_at IS NOT NULL
              AND before.organization_id IS NOT DISTINCT FROM waiting.organization_id)
        ORDER BY waiting.due_at, waiting.position LIMIT 1 FOR UPDATE SKIP LOCKED;
    PERFORM set_config('app.claiming', '', true);
END $$;
REVOKE ALL ON FUNCTION claim_due_command() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_due_command() TO "tallywire_app";

CREATE POLICY relay_purges ON outbox FOR DELETE TO "tallywire_relay" USING (published_at < now() - interval '7 days');
GRANT DELETE ON outbox TO "tallywire_relay";
