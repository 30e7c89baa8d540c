-- From here on readers see the new table, and workers of the old generation cannot write.
EXCHANGE TABLES engagement_minutes AND {table:Identifier}
