-- Which of these tables were left by a process that was killed?
SELECT name FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'log_read_')
    AND metadata_modification_time < now() - INTERVAL 1 HOUR
