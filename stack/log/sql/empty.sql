-- On to the next stretch.
TRUNCATE TABLE {table:Identifier}
