-- What a piece was at each revision, who approved which, and how many must.

-- The hash of a text: SHA-256 of the canonical JSON of body, platforms, title and type (api/content/revisions.py has it too).
CREATE FUNCTION content_sha256(type content_type, title text, body text, platforms text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT encode(sha256(convert_to(
        '{"body":' || to_json(body)::text
        || ',"platforms":' || array_to_json(ARRAY(SELECT p FROM unnest(platforms) AS p ORDER BY p COLLATE "C"))::text
        || ',"title":' || to_json(title)::text || ',"type":' || to_json(type::text)::text || '}', 'UTF8')), 'hex')
$$;

CREATE TABLE content_revisions (
    organization_id uuid NOT NULL,
    content_id uuid NOT NULL REFERENCES content (id),
    revision integer NOT NULL CHECK (revision >= 1),
    sha256 text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    type content_type NOT NULL,
    platforms text[] NOT NULL,
    author_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (content_id, revision),
    UNIQUE (organization_id, content_id, revision, sha256)
);

CREATE TABLE approvals (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    organization_id uuid NOT NULL,
    content_id uuid NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    approver_id uuid NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approved', 'rejected')),
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    voided_at timestamptz,
    FOREIGN KEY (organization_id, content_id, revision, sha256)
        REFERENCES content_revisions (organization_id, content_id, revision, sha256),
    FOREIGN KEY (organization_id, approver_id) REFERENCES users (organization_id, id),
    CHECK (decision = 'approved' OR reason <> '')
);
CREATE INDEX approvals_of_content ON approvals (content_id, revision);
CREATE UNIQUE INDEX approvals_once ON approvals (content_id, revision, approver_id)
WHERE decision = 'approved' AND voided_at IS NULL;

-- `steps`: the role that each approval needs, in order; an administrator may take any step.
CREATE TABLE approval_policies (
    organization_id uuid NOT NULL REFERENCES organizations (id),
    type content_type NOT NULL,
    steps user_role[] NOT NULL CHECK (cardinality(steps) BETWEEN 1 AND 5),
    four_eyes boolean NOT NULL DEFAULT true CHECK (four_eyes),
    expires_after interval NOT NULL CHECK (expires_after > interval '0'),
    PRIMARY KEY (organization_id, type)
);

ALTER TABLE content NO FORCE ROW LEVEL SECURITY;
INSERT INTO content_revisions (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type, platforms, creator_id
FROM content;
ALTER TABLE content FORCE ROW LEVEL SECURITY;

CREATE FUNCTION keep_voided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.voided_at IS NOT NULL AND NEW.voided_at IS DISTINCT FROM OLD.voided_at THEN
        RAISE EXCEPTION 'an approval that was voided stays so' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approvals_stay_voided BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION keep_voided();

ALTER TABLE content_revisions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE approval_policies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON content_revisions USING (organization_id = current_organization());
CREATE POLICY own ON approvals USING (organization_id = current_organization());
CREATE POLICY own ON approval_policies USING (organization_id = current_organization());

-- Nobody who serves requests may date an approval, or change a revision.
GRANT SELECT, INSERT ON content_revisions TO "tallywire_app";
GRANT SELECT, INSERT (organization_id, content_id, revision, sha256, approver_id, decision, reason), UPDATE (voided_at)
ON approvals TO "tallywire_app";
GRANT SELECT, INSERT, UPDATE ON approval_policies TO "tallywire_app";
