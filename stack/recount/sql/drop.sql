-- What was swapped out, or what a recount that was killed left.
DROP TABLE IF EXISTS engagement_minutes_next SYNC
