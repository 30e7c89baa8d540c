-- The pieces that the recount which began a generation of figures counted again: PostgreSQL is to be told of each.
CREATE TABLE IF NOT EXISTS recounted_pieces
(
    generation      UInt32,
    organization_id UUID,
    content_id      UUID
)
ENGINE = ReplacingMergeTree
ORDER BY (generation, organization_id, content_id)
