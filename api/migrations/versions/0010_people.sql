-- A super_admin who visits is no member: whose a key is, is known without being one.
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_organization_id_user_id_fkey;

-- The dead command of a piece is looked for by its key.
CREATE INDEX commands_dead ON commands_aside (key) WHERE due_at IS NULL;

-- What is long over is forgotten, of every organization, by one function that sees nothing else. The audit trail still
-- has who was invited, signed in and held a key. Refresh tokens go with their session.
CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, expires_at));
CREATE POLICY over ON sessions TO CURRENT_USER
USING (COALESCE(ended_at, expires_at) < now() - interval '30 days');
CREATE POLICY over ON password_resets TO CURRENT_USER
USING (COALESCE(used_at, expires_at) < now() - interval '30 days');
CREATE POLICY over ON invitations TO CURRENT_USER
USING (COALESCE(accepted_at, revoked_at, expires_at) < now() - interval '90 days');
CREATE POLICY over ON api_keys TO CURRENT_USER
USING (LEAST(revoked_at, expires_at) < now() - interval '90 days');

CREATE FUNCTION forget_what_is_over() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM sessions WHERE COALESCE(ended_at, expires_at) < now() - interval '30 days';
    DELETE FROM password_resets WHERE COALESCE(used_at, expires_at) < now() - interval '30 days';
    DELETE FROM invitations WHERE COALESCE(accepted_at, revoked_at, expires_at) < now() - interval '90 days';
    DELETE FROM api_keys WHERE LEAST(revoked_at, expires_at) < now() - interval '90 days';
$$;
REVOKE ALL ON FUNCTION forget_what_is_over() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_what_is_over() TO "tallywire_app";
