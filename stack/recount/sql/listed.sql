-- How many pieces were counted again?
SELECT count() FROM recounted_pieces WHERE generation = {generation:UInt32}
