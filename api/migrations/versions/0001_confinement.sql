-- Who may do what. The two roles own nothing; row-level security, forced upon the owner too, confines every statement to
-- the organization that the transaction named. "tallywire_app" and "tallywire_relay" stand for the roles of the URLs.

CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE
RETURN NULLIF(current_setting('app.organization_id', true), '')::uuid;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE content ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE write_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own ON organizations USING (id = current_organization());
CREATE POLICY own ON users USING (organization_id = current_organization());
CREATE POLICY own ON content USING (organization_id = current_organization());
CREATE POLICY own ON write_keys USING (organization_id = current_organization());
CREATE POLICY own ON outbox USING (organization_id = current_organization());

GRANT SELECT ON organizations TO "tallywire_app";
GRANT SELECT (id, email, organization_id, role, profile, created_at, last_login, status) ON users TO "tallywire_app";
GRANT UPDATE (last_login) ON users TO "tallywire_app";
GRANT SELECT, INSERT, UPDATE ON content TO "tallywire_app";
GRANT SELECT, INSERT, UPDATE ON write_keys TO "tallywire_app";
GRANT INSERT ON outbox TO "tallywire_app";
GRANT USAGE ON SEQUENCE outbox_id_seq TO "tallywire_app";
GRANT SELECT, INSERT, DELETE ON processed_commands TO "tallywire_app";

-- A sign-in knows an address and no organization yet. The function alone may look across them: the policy that lets it
-- holds for the owner only, and only where the function itself has switched it on.
CREATE POLICY sign_in ON users FOR SELECT TO CURRENT_USER USING (current_setting('app.signing_in', true) = 'on');
CREATE FUNCTION sign_in_of(address text)
RETURNS TABLE (user_id uuid, organization_id uuid, status user_status, password_hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.signing_in', 'on', true);
    RETURN QUERY SELECT u.id, u.organization_id, u.status, u.password_hash FROM users AS u WHERE u.email = address;
    PERFORM set_config('app.signing_in', '', true);
END $$;
REVOKE ALL ON FUNCTION sign_in_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sign_in_of(text) TO "tallywire_app";

CREATE POLICY relay_reads ON outbox FOR SELECT TO "tallywire_relay" USING (true);
CREATE POLICY relay_marks ON outbox FOR UPDATE TO "tallywire_relay" USING (true);
CREATE POLICY relay_reads ON write_keys FOR SELECT TO "tallywire_relay" USING (true);
CREATE POLICY relay_reads ON content FOR SELECT TO "tallywire_relay" USING (true);
GRANT SELECT, UPDATE (published_at) ON outbox TO "tallywire_relay";
GRANT SELECT ON write_keys TO "tallywire_relay";
GRANT SELECT (id, organization_id, engagement_stats, engagement_version) ON content TO "tallywire_relay";
