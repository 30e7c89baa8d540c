-- Which tables did other recounts make?
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'engagement_minutes_next') AND name != {table:String}
