-- It takes figures of the next generation only.
ALTER TABLE {table:Identifier}
    DROP CONSTRAINT IF EXISTS held,
    DROP CONSTRAINT IF EXISTS of_this_generation,
    MODIFY COLUMN generation UInt32 DEFAULT {generation:UInt32},
    ADD CONSTRAINT of_this_generation CHECK generation = {generation:UInt32}
