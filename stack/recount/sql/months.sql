-- Of which months do the ledger or the aggregates tell anything?
SELECT DISTINCT toYYYYMM(minute) AS month FROM engagement_events
UNION DISTINCT
SELECT DISTINCT toYYYYMM(minute) AS month FROM engagement_minutes
ORDER BY month
SETTINGS final = 0
