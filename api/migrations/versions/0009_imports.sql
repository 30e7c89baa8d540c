-- Pieces that were published elsewhere come in by a role of their own, through the one function that it may call. The role
-- that serves requests writes drafts: it cannot name a new piece's status or origin, nor change later whose it is.

REVOKE INSERT, UPDATE ON content FROM "tallywire_app";
GRANT INSERT (id, organization_id, creator_id, type, title, body, platforms, revision, source_ref, quality_score,
              scored_revision, score_parts, scheduled_at, scheduled_by, schedule_issued_at, published_at, publish_problem),
      UPDATE (type, title, body, platforms, status, quality_score, compliance_status, scheduled_at, scheduled_by,
              schedule_issued_at, published_at, publish_problem, engagement_stats, engagement_version, updated_at,
              revision, scored_revision, score_parts) ON content TO "tallywire_app";

GRANT SELECT ON content TO "tallywire_import";
GRANT INSERT ON outbox TO "tallywire_import";
GRANT USAGE ON SEQUENCE outbox_id_seq TO "tallywire_import";

-- Takes what is not here yet, in the name of the transaction's actor, an administrator of its organization; answers the
-- ids of what it took. In the order of their names, so that two imports at once wait for each other.
CREATE FUNCTION import_content(pieces jsonb) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    made uuid[];
BEGIN
    IF NOT EXISTS (SELECT FROM users AS actor WHERE actor.id = current_actor() AND actor.status = 'active'
                   AND actor.role IN ('org_admin', 'super_admin') AND actor.organization_id = current_organization()) THEN
        RAISE EXCEPTION 'only an administrator may import' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH inserted AS (
        INSERT INTO content (id, organization_id, creator_id, type, title, body, platforms, status, published_at, origin,
                             source_ref)
        SELECT piece.id, current_organization(), current_actor(), piece.type, piece.title, piece.body, piece.platforms,
               piece.status, piece.published_at, 'imported', piece.source_ref
        FROM jsonb_to_recordset(pieces) AS piece (
            id uuid, type content_type, title text, body text, platforms text[], status content_status,
            published_at timestamptz, source_ref text)
        ORDER BY piece.source_ref, piece.id
        ON CONFLICT (organization_id, source_ref) DO NOTHING
        RETURNING id)
    SELECT array_agg(id ORDER BY id) INTO made FROM inserted;
    INSERT INTO content_revisions
        (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
    SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type, platforms,
           creator_id
    FROM content WHERE id = ANY (made);
    IF made IS NOT NULL THEN
        PERFORM append_audit(current_organization(), current_actor(), 'content.imported', NULL,
                             jsonb_build_object('ids', to_jsonb(made)));
    END IF;
    RETURN QUERY SELECT unnest(made);
END $$;
REVOKE ALL ON FUNCTION import_content(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION import_content(jsonb) TO "tallywire_import";
