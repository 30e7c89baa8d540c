-- What a recount leaves to the workers once they count in its generation of figures, and it may be dead: since which
-- positions (per partition, counted from 0) what it counted may lack something.
CREATE TABLE IF NOT EXISTS recounts
(
    generation UInt32,
    since      Array(UInt64)
)
ENGINE = MergeTree
ORDER BY generation
