-- Who may write a revision or a decision: only in the name of whom the transaction is for, only of the text as it stands.

CREATE FUNCTION current_actor() RETURNS uuid LANGUAGE sql STABLE
RETURN NULLIF(current_setting('app.user_id', true), '')::uuid;

CREATE FUNCTION guard_revision() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.author_id IS DISTINCT FROM current_actor() THEN
        RAISE EXCEPTION 'a revision is written in its author''s own name' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (
        SELECT FROM content AS piece WHERE piece.id = NEW.content_id AND piece.organization_id = NEW.organization_id
        AND piece.revision = NEW.revision AND (piece.type, piece.title, piece.body) = (NEW.type, NEW.title, NEW.body)
        AND piece.platforms = NEW.platforms
        AND NEW.sha256 = content_sha256(piece.type, piece.title, piece.body, piece.platforms)) THEN
        RAISE EXCEPTION 'revision % of % is not the text as it stands', NEW.revision, NEW.content_id
        USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revisions_are_true BEFORE INSERT ON content_revisions FOR EACH ROW EXECUTE FUNCTION guard_revision();

CREATE FUNCTION guard_approval() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    piece content;
    refusal text;
BEGIN
    IF NEW.approver_id IS DISTINCT FROM current_actor() THEN
        RAISE EXCEPTION 'a decision is written in one''s own name' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO piece FROM content WHERE id = NEW.content_id FOR NO KEY UPDATE;
    refusal := CASE
        WHEN piece.status IS NULL OR piece.status NOT IN ('pending_approval', 'approved') THEN 'nobody has asked for it'
        WHEN NEW.revision <> piece.revision
            OR NEW.sha256 <> content_sha256(piece.type, piece.title, piece.body, piece.platforms)
            THEN 'it is not of the text as it stands'
        WHEN NOT EXISTS (SELECT FROM users AS approver WHERE approver.id = NEW.approver_id AND approver.status = 'active'
                         AND approver.role IN ('approver', 'org_admin', 'super_admin')) THEN 'this person may not'
        WHEN NEW.decision = 'approved' AND piece.status <> 'pending_approval' THEN 'nobody has asked for it'
        WHEN NEW.decision = 'approved' AND (piece.creator_id = NEW.approver_id OR EXISTS (
            SELECT FROM content_revisions AS written
            WHERE written.content_id = piece.id AND written.author_id = NEW.approver_id)) THEN 'four eyes'
    END;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'decision on % refused: %', NEW.content_id, refusal USING ERRCODE = 'check_violation';
    END IF;
    NEW.created_at := clock_timestamp();
    NEW.voided_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER approvals_are_true BEFORE INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION guard_approval();

-- The approvals of a piece's text as it stands that count, in the order in which they were given.
CREATE FUNCTION standing_approvals(piece content)
RETURNS TABLE (approver_id uuid, role user_role, created_at timestamptz, id uuid)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.approver_id, approver.role, given.created_at, given.id
    FROM approvals AS given JOIN users AS approver ON approver.id = given.approver_id
    WHERE given.content_id = piece.id AND given.revision = piece.revision
      AND given.sha256 = content_sha256(piece.type, piece.title, piece.body, piece.platforms)
      AND given.decision = 'approved' AND given.voided_at IS NULL AND approver.status = 'active'
      AND given.approver_id <> piece.creator_id
      AND NOT EXISTS (SELECT FROM content_revisions AS written
                      WHERE written.content_id = piece.id AND written.author_id = given.approver_id)
    ORDER BY given.created_at, given.id
$$;
