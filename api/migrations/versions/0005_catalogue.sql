-- Lists and search. One index holds all that content can be filtered and ordered by, so that any combination is answered
-- from the organization's own stretch of it without looking at the pieces themselves.

CREATE INDEX content_catalogue ON content (organization_id, created_at DESC, id DESC)
INCLUDE (status, type, creator_id, compliance_status, updated_at, published_at, quality_score, platforms);
DROP INDEX content_newest;
-- row-level security lets only leakproof operators into an index, and the array's are not: this one was never used
DROP INDEX content_by_platform;

-- The same holds for the operators of full-text search. So its index is a table of its own, which nobody reads but the
-- function below, and that one looks at the organization of the transaction only.
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE TABLE content_words (
    content_id uuid PRIMARY KEY REFERENCES content (id) ON DELETE CASCADE,
    organization_id uuid NOT NULL,
    words tsvector NOT NULL
);
CREATE FUNCTION words_of(title text, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'B')
$$;

ALTER TABLE content NO FORCE ROW LEVEL SECURITY;
INSERT INTO content_words SELECT id, organization_id, words_of(title, body) FROM content;
ALTER TABLE content FORCE ROW LEVEL SECURITY;
CREATE INDEX content_words_of_organization ON content_words USING gin (organization_id, words);

ALTER TABLE content_words ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY search ON content_words TO CURRENT_USER USING (true);

CREATE FUNCTION keep_words() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO content_words VALUES (NEW.id, NEW.organization_id, words_of(NEW.title, NEW.body))
    ON CONFLICT (content_id) DO UPDATE SET words = EXCLUDED.words;
    RETURN NULL;
END $$;
CREATE TRIGGER content_words_kept AFTER INSERT OR UPDATE OF title, body ON content
FOR EACH ROW EXECUTE FUNCTION keep_words();

CREATE FUNCTION search_content(question text) RETURNS TABLE (content_id uuid, rank real)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 200 AS $$
    SELECT content_id, ts_rank(words, asked) FROM content_words, websearch_to_tsquery('english', question) AS asked
    WHERE organization_id = current_organization() AND words @@ asked
$$;
REVOKE ALL ON FUNCTION keep_words(), search_content(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_content(text) TO "tallywire_app";
