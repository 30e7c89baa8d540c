-- A table like the aggregates, to be filled while those are still read and written.
CREATE TABLE engagement_minutes_next AS engagement_minutes
