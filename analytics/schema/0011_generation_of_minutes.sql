-- Figures are of one generation; a recount begins the next in a new table, which takes no row of a worker that still
-- counts in an earlier one. The default says which generation a table takes.
ALTER TABLE engagement_minutes
    ADD COLUMN IF NOT EXISTS generation UInt32 DEFAULT 0,
    ADD CONSTRAINT IF NOT EXISTS of_this_generation CHECK generation = 0
