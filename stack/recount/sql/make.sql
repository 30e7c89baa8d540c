-- A table like the aggregates, to be filled while those are still read and written.
CREATE TABLE {table:Identifier} AS engagement_minutes
