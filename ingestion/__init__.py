"""Engagement comes in here: the HTTP collector, and the importers that feed it from files.

Reads:     HTTP; PostgreSQL `write_keys` and `content(id, organization_id)`, cached
Writes:    Kafka: engagement.events, engagement.snapshots, engagement.rejections; ClickHouse: accepted_events
Promises:  202 only when Kafka has every accepted event and every refusal; one bad event never fails its neighbours;
           within a partition the order of acceptance; bounded memory, and 429 or 503 with Retry-After before it is full
Runs as:   `python -m ingestion` (port 8401)
"""
