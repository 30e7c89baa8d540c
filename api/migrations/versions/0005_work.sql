-- The work on a piece: what is said about its text, who is to do what by when, and creations that come twice.

-- `first` and `last` are counted in characters of the body of `revision`, where `quote` stands: body[first:last].
CREATE TABLE comments (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    content_id uuid NOT NULL REFERENCES content (id),
    parent_id uuid,
    author_id uuid NOT NULL,
    body text NOT NULL CHECK (char_length(body) <= 10000),
    revision integer NOT NULL,
    first integer,
    last integer,
    quote text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    edited_at timestamptz,
    resolved_at timestamptz,
    resolved_by uuid,
    deleted_at timestamptz,
    UNIQUE (content_id, id),
    FOREIGN KEY (content_id, parent_id) REFERENCES comments (content_id, id),
    FOREIGN KEY (content_id, revision) REFERENCES content_revisions (content_id, revision),
    FOREIGN KEY (organization_id, author_id) REFERENCES users (organization_id, id),
    FOREIGN KEY (organization_id, resolved_by) REFERENCES users (organization_id, id),
    CHECK ((quote IS NULL) = (first IS NULL) AND (quote IS NULL) = (last IS NULL)),
    CHECK (quote IS NULL OR (first >= 0 AND last - first = char_length(quote) AND quote <> '')),
    CHECK (parent_id IS NULL OR (quote IS NULL AND resolved_at IS NULL)),
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL)),
    CHECK (deleted_at IS NULL OR body = '')
);

CREATE TABLE assignments (
    organization_id uuid NOT NULL,
    content_id uuid NOT NULL REFERENCES content (id),
    user_id uuid NOT NULL,
    due_at timestamptz,
    remind_at timestamptz,
    reminded_at timestamptz,
    assigned_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (content_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id),
    FOREIGN KEY (organization_id, assigned_by) REFERENCES users (organization_id, id)
);
CREATE INDEX assignments_of_user ON assignments (organization_id, user_id, due_at, content_id);
CREATE INDEX assignments_to_remind ON assignments (remind_at) WHERE reminded_at IS NULL;

CREATE TABLE idempotency_keys (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, user_id, key),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

ALTER TABLE comments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE assignments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON comments USING (organization_id = current_organization());
CREATE POLICY own ON assignments USING (organization_id = current_organization());
CREATE POLICY own ON idempotency_keys USING (organization_id = current_organization());

GRANT SELECT,
      INSERT (id, organization_id, content_id, parent_id, author_id, body, revision, first, last, quote),
      UPDATE (body, edited_at, resolved_at, resolved_by, deleted_at) ON comments TO "tallywire_app";
GRANT SELECT, DELETE,
      INSERT (organization_id, content_id, user_id, due_at, remind_at, assigned_by),
      UPDATE (due_at, remind_at, reminded_at, assigned_by) ON assignments TO "tallywire_app";
GRANT SELECT, INSERT, UPDATE (fingerprint, status, headers, body, created_at) ON idempotency_keys TO "tallywire_app";

-- Two things look across organizations, each through one function that sees no more than what it is for: assignments
-- whose time has come, and keys that are too old to be asked for again.
CREATE POLICY due ON assignments FOR SELECT TO CURRENT_USER USING (remind_at <= now());
CREATE POLICY told ON assignments FOR UPDATE TO CURRENT_USER USING (remind_at <= now() AND reminded_at IS NULL)
WITH CHECK (true);
CREATE FUNCTION take_due_reminders(most integer) RETURNS SETOF assignments
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS MATERIALIZED (
        SELECT content_id AS piece, user_id AS person FROM assignments
        WHERE remind_at <= now() AND reminded_at IS NULL
        ORDER BY remind_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE assignments SET reminded_at = clock_timestamp() FROM due
    WHERE content_id = due.piece AND user_id = due.person
    RETURNING assignments.*
$$;
CREATE POLICY old ON idempotency_keys TO CURRENT_USER USING (created_at < now() - interval '48 hours');
CREATE FUNCTION forget_idempotency_keys() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM idempotency_keys WHERE created_at < now() - interval '48 hours'
$$;
REVOKE ALL ON FUNCTION take_due_reminders(integer), forget_idempotency_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_due_reminders(integer), forget_idempotency_keys() TO "tallywire_app";
