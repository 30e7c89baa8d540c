-- Nothing is kept of it.
DROP TABLE IF EXISTS {table:Identifier} SYNC
