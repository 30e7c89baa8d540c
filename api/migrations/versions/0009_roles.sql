-- Who is what, and who must approve: given only in the name of somebody who may. The owner, who bootstraps, passes by.

CREATE FUNCTION is_owner() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
RETURN pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = 'public.users'::regclass), 'USAGE');

-- Whether the transaction's actor, or the super_admin who visits, governs people of this role here. It looks across
-- organizations for that one person only.
CREATE FUNCTION governs(others user_role) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who uuid := COALESCE(current_actor(), NULLIF(current_setting('app.visitor_id', true), '')::uuid);
    found boolean;
BEGIN
    PERFORM set_config('app.signing_in', 'on', true);
    SELECT EXISTS (
        SELECT FROM users AS actor WHERE actor.id = who AND actor.status = 'active'
        AND (actor.role = 'super_admin' OR (actor.role = 'org_admin' AND others <> 'super_admin'
                                            AND actor.organization_id = current_organization()))) INTO found;
    PERFORM set_config('app.signing_in', '', true);
    RETURN found;
END $$;
REVOKE ALL ON FUNCTION governs(user_role) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION governs(user_role) TO "tallywire_app";

CREATE FUNCTION guard_person() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT (governs(OLD.role) AND governs(NEW.role)) THEN
            RAISE EXCEPTION 'who is no administrator changes no role and no status'
            USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM invitations AS open WHERE open.organization_id = NEW.organization_id AND open.email = NEW.email
        AND open.role = NEW.role AND open.accepted_at IS NULL AND open.revoked_at IS NULL AND open.expires_at > now()) THEN
        RAISE EXCEPTION 'nobody joins without an invitation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER users_join BEFORE INSERT ON users
FOR EACH ROW WHEN (NOT is_owner()) EXECUTE FUNCTION guard_person();
CREATE TRIGGER users_governed BEFORE UPDATE OF role, status ON users
FOR EACH ROW WHEN (NOT is_owner()) EXECUTE FUNCTION guard_person();

CREATE FUNCTION guard_invitation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.accepted_at IS NOT NULL OR OLD.revoked_at IS NOT NULL THEN
            RAISE EXCEPTION 'an invitation that is over stays so' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NOT governs(NEW.role) THEN
        RAISE EXCEPTION 'who is no administrator invites nobody' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invitations_governed BEFORE INSERT OR UPDATE ON invitations
FOR EACH ROW WHEN (NOT is_owner()) EXECUTE FUNCTION guard_invitation();

CREATE FUNCTION guard_policy() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT governs('approver') THEN
        RAISE EXCEPTION 'who is no administrator changes no policy' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER policies_governed BEFORE INSERT OR UPDATE ON approval_policies
FOR EACH ROW WHEN (NOT is_owner()) EXECUTE FUNCTION guard_policy();
