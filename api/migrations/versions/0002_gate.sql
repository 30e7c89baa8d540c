-- The gate: the one place that says whether a piece may be published as it stands. The worker asks it to give a reason,
-- the trigger asks it again, so that plain SQL cannot publish either.

ALTER TABLE content ADD COLUMN publish_problem text;

CREATE FUNCTION publish_refusal(piece content) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    current_sha256 text := content_sha256(piece.type, piece.title, piece.body, piece.platforms);
    needed user_role[] := '{approver}';
    good_for interval := interval '30 days';
    valid integer;
    late boolean;
BEGIN
    SELECT steps, expires_after INTO needed, good_for FROM approval_policies AS policy
    WHERE policy.organization_id = piece.organization_id AND policy.type = piece.type;
    IF NOT FOUND THEN
        needed := '{approver}';
        good_for := interval '30 days';
    END IF;
    IF NOT EXISTS (SELECT FROM content_revisions AS known WHERE known.content_id = piece.id
                   AND known.revision = piece.revision AND known.sha256 = current_sha256) THEN
        RETURN 'hash_mismatch';
    END IF;
    WITH counted AS (
        SELECT approver.role, given.created_at + good_for < clock_timestamp() AS expired,
               row_number() OVER (ORDER BY given.created_at, given.id) AS step
        FROM approvals AS given JOIN users AS approver ON approver.id = given.approver_id
        WHERE given.content_id = piece.id AND given.revision = piece.revision AND given.sha256 = current_sha256
          AND given.decision = 'approved' AND given.voided_at IS NULL AND approver.status = 'active'
          AND given.approver_id <> piece.creator_id
          AND NOT EXISTS (SELECT FROM content_revisions AS written
                          WHERE written.content_id = piece.id AND written.author_id = given.approver_id)
    )
    SELECT count(*), bool_or(expired) INTO valid, late FROM counted
    WHERE step <= cardinality(needed) AND role IN (needed[step], 'org_admin', 'super_admin');
    RETURN CASE WHEN valid < cardinality(needed) THEN 'too_few_approvals' WHEN late THEN 'approval_expired' END;
END $$;

CREATE FUNCTION guard_publishing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    refusal text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        refusal := CASE WHEN NEW.origin <> 'imported' THEN 'too_few_approvals' END;
    ELSIF (OLD.status, OLD.id, OLD.organization_id, OLD.creator_id, OLD.origin, OLD.revision, OLD.type, OLD.title,
           OLD.body, OLD.platforms)
        IS DISTINCT FROM (NEW.status, NEW.id, NEW.organization_id, NEW.creator_id, NEW.origin, NEW.revision, NEW.type,
                          NEW.title, NEW.body, NEW.platforms) THEN
        refusal := CASE WHEN OLD.status = 'approved' THEN publish_refusal(NEW) ELSE 'not_approved' END;
        refusal := CASE WHEN OLD.creator_id <> NEW.creator_id THEN 'creator_changed' ELSE refusal END;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'content % may not be published: %', NEW.id, refusal
        USING ERRCODE = 'check_violation', CONSTRAINT = 'content_gate';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER content_gate BEFORE INSERT OR UPDATE ON content
FOR EACH ROW WHEN (NEW.status = 'published') EXECUTE FUNCTION guard_publishing();
