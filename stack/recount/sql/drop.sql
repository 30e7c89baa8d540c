-- What was swapped out, or what a recount that did not get so far left.
DROP TABLE IF EXISTS {table:Identifier} SYNC
