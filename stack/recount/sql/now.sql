-- What time is it there (unix seconds)?
SELECT toUnixTimestamp(now())
