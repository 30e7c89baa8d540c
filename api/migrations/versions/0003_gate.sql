-- Whether a piece may be published as it stands, and the life that a row of `content` may lead, by whatever SQL.

CREATE FUNCTION policy_of(piece content, OUT steps user_role[], OUT expires_after interval)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT COALESCE(policy.steps, '{approver}'), COALESCE(policy.expires_after, interval '30 days')
    FROM (SELECT) AS always LEFT JOIN approval_policies AS policy
        ON policy.organization_id = piece.organization_id AND policy.type = piece.type
$$;

-- Each step needs an approval of its role, in order; an administrator's will do for any.
CREATE FUNCTION steps_taken(given user_role[], needed user_role[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*) FILTER (WHERE has.role IN (wants.role, 'org_admin', 'super_admin')) = cardinality(needed)
    FROM unnest(needed) WITH ORDINALITY AS wants (role, step)
    LEFT JOIN unnest(given) WITH ORDINALITY AS has (role, step) USING (step)
$$;

CREATE OR REPLACE FUNCTION publish_refusal(piece content) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    policy record;
    given record;
BEGIN
    IF piece.compliance_status IN ('flagged', 'rejected') THEN
        RETURN 'not_compliant';
    END IF;
    IF NOT EXISTS (SELECT FROM content_revisions AS known WHERE known.content_id = piece.id
                   AND known.revision = piece.revision
                   AND known.sha256 = content_sha256(piece.type, piece.title, piece.body, piece.platforms)) THEN
        RETURN 'hash_mismatch';
    END IF;
    SELECT * INTO policy FROM policy_of(piece);
    SELECT COALESCE(array_agg(role ORDER BY created_at, id), '{}') AS ever,
           COALESCE(array_agg(role ORDER BY created_at, id)
                    FILTER (WHERE created_at + policy.expires_after > clock_timestamp()), '{}') AS fresh
    INTO given FROM standing_approvals(piece);
    RETURN CASE WHEN steps_taken(given.fresh, policy.steps) THEN NULL
                WHEN steps_taken(given.ever, policy.steps) THEN 'approval_expired'
                ELSE 'too_few_approvals' END;
END $$;

-- From where to where; editing leads to `draft` too (api/content/states.py has the same table, a test compares them).
CREATE TABLE content_transitions (
    came_from content_status NOT NULL,
    leads_to content_status NOT NULL,
    PRIMARY KEY (came_from, leads_to)
);
INSERT INTO content_transitions VALUES
    ('draft', 'pending_approval'), ('draft', 'archived'),
    ('pending_approval', 'approved'), ('pending_approval', 'draft'),
    ('approved', 'published'), ('approved', 'draft'), ('approved', 'archived'),
    ('published', 'archived'), ('archived', 'draft');
GRANT SELECT ON content_transitions TO "tallywire_app", "tallywire_relay";

CREATE FUNCTION content_refusal(was content, piece content) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    moved boolean := was.status <> piece.status;
BEGIN
    IF (was.id, was.organization_id, was.creator_id, was.origin, was.source_ref)
        IS DISTINCT FROM (piece.id, piece.organization_id, piece.creator_id, piece.origin, piece.source_ref) THEN
        RETURN 'origin_changed';
    ELSIF moved AND NOT EXISTS (SELECT FROM content_transitions
                                WHERE came_from = was.status AND leads_to = piece.status) THEN
        RETURN CASE piece.status WHEN 'published' THEN 'not_approved' ELSE 'no_such_step' END;
    ELSIF moved AND piece.status IN ('approved', 'published') AND publish_refusal(piece) IS NOT NULL THEN
        RETURN publish_refusal(piece);
    ELSIF (was.type, was.title, was.body, was.platforms)
        IS DISTINCT FROM (piece.type, piece.title, piece.body, piece.platforms)
        AND (piece.status <> 'draft' OR piece.revision <= was.revision) THEN
        RETURN 'edited_in_place';
    ELSIF was.revision <> piece.revision AND (piece.status <> 'draft' OR piece.revision < was.revision) THEN
        RETURN 'revision_changed';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION guard_publishing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    refusal text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        refusal := content_refusal(OLD, NEW);
    ELSIF NEW.status <> 'draft' AND (NEW.origin <> 'imported' OR NEW.status NOT IN ('published', 'archived')) THEN
        refusal := 'too_few_approvals';
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'content % may not be %: %', NEW.id, NEW.status, refusal
        USING ERRCODE = 'check_violation', CONSTRAINT = 'content_gate';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER content_gate ON content;
CREATE TRIGGER content_gate BEFORE INSERT ON content
FOR EACH ROW WHEN (NEW.status <> 'draft') EXECUTE FUNCTION guard_publishing();
-- Figures and scores, which come often, pass by.
CREATE TRIGGER content_gate_kept BEFORE UPDATE OF id, organization_id, creator_id, origin, source_ref, status, revision,
    type, title, body, platforms ON content
FOR EACH ROW EXECUTE FUNCTION guard_publishing();
