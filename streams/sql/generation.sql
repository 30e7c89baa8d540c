-- Asked when a worker begins, and when the aggregates refuse its rows: which generation of figures do they take?
SELECT toUInt32(extract(default_expression, '[0-9]+')) AS generation
FROM system.columns
WHERE database = currentDatabase() AND table = 'engagement_minutes' AND name = 'generation'
