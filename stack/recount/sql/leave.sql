-- To the workers of the next generation: where what was counted may lack something.
INSERT INTO recounts VALUES ({generation:UInt32}, {since:Array(UInt64)})
