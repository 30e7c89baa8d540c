-- Content to be read: {pieces} pieces in {organizations} organizations, ten people in each, bodies of 120 words in
-- four paragraphs, of 5,000 texts.
-- Straight into the tables, as a superuser without triggers; the words are those that the trigger would have kept.
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB';
INSERT INTO organizations (name, slug)
SELECT 'Readers of content ' || n, 'bench-content-' || n FROM generate_series(1, {organizations}) AS n;
INSERT INTO users (organization_id, email, role, password_hash)
SELECT o.id, n || '@' || o.slug || '.example', 'editor', ''
FROM organizations AS o, generate_series(0, 9) AS n WHERE o.slug LIKE 'bench-content-%';
CREATE TEMP TABLE houses AS
SELECT row_number() OVER (ORDER BY o.slug) - 1 AS n, o.id, array_agg(u.id ORDER BY u.email) AS people
FROM organizations AS o JOIN users AS u ON u.organization_id = o.id WHERE o.slug LIKE 'bench-content-%' GROUP BY o.id;
-- Words as in a language: few are common, most are rare; `word1` is in every text
CREATE TEMP TABLE texts AS
SELECT n, body, setweight(to_tsvector('english', body), 'B') AS words FROM (
    SELECT n, '<p>word1 ' || string_agg(CASE WHEN k % 30 = 0 THEN '</p><p>' ELSE '' END || 'word'
                                        || 1 + floor(5000 * power(random(), 3) + 0 * k)::int, ' ' ORDER BY k) || '</p>' AS body
    FROM generate_series(1, 5000) AS n, generate_series(1, 119) AS k GROUP BY n) AS made;
CREATE TEMP TABLE pieces AS
SELECT n, uuidv7(interval '1 second' * (n - {pieces})) AS id, (SELECT now()) - interval '1 second' * ({pieces} - n) AS at
FROM generate_series(1, {pieces}) AS n;
INSERT INTO content (id, organization_id, creator_id, type, title, body, platforms, status, quality_score,
                     compliance_status, published_at, created_at, updated_at, engagement_stats)
SELECT p.id, h.id, h.people[1 + p.n / 100 % 10], (enum_range(NULL::content_type))[1 + p.n / 7 % 4], 'Piece ' || p.n,
       t.body, ('{{"{{web}}","{{web,newsletter}}","{{x}}","{{facebook,x,web}}","{{podcast}}"}}'::text[])[1 + p.n / 11 % 5]::text[],
       (enum_range(NULL::content_status))[1 + p.n / 17 % 5], CASE WHEN p.n % 3 > 0 THEN p.n::bigint * 7919 % 1000 / 100.0 END,
       (enum_range(NULL::compliance_status))[1 + p.n / 13 % 4],
       CASE WHEN p.n / 17 % 5 = 3 THEN p.at + interval '1 hour' END, p.at, p.at + interval '1 second' * (p.n % 5000),
       '{{"totals": {{"web": {{"view": {{"count": 120, "value": 0, "robots": 3}}}}}}}}'
FROM pieces AS p JOIN houses AS h ON h.n = p.n % {organizations} JOIN texts AS t ON t.n = 1 + p.n::bigint * 31 % 5000;
DROP INDEX content_words_of_organization;
INSERT INTO content_words
SELECT p.id, h.id, setweight(to_tsvector('english', 'Piece ' || p.n), 'A') || t.words
FROM pieces AS p JOIN houses AS h ON h.n = p.n % {organizations} JOIN texts AS t ON t.n = 1 + p.n::bigint * 31 % 5000;
CREATE INDEX content_words_of_organization ON content_words USING gin (organization_id, words);
INSERT INTO assignments (organization_id, content_id, user_id, assigned_by)
SELECT h.id, p.id, h.people[3], h.people[1] FROM pieces AS p JOIN houses AS h ON h.n = p.n % {organizations} WHERE p.n % 13 = 0;
INSERT INTO sessions (id, organization_id, user_id, method, user_agent, address, expires_at)
SELECT h.people[3], h.id, h.people[3], 'password', '', '', now() + interval '1 day' FROM houses AS h;
ANALYZE organizations, users, sessions, assignments;
