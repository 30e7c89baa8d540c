-- What was left to the workers and is done in every partition, or is of a generation that never came.
DELETE FROM {table:Identifier} WHERE generation <= {done:UInt32} OR generation > {generation:UInt32}
