"""Kafka -> ClickHouse, Redis, and commands for PostgreSQL.

Reads:     every topic of `wire.topics` but the findings
Writes:    the ledger and the aggregates (ClickHouse), hot counters (Redis), findings (Kafka)
Promises:  every event is counted once, whatever dies whenever; a position is stored only after every effect is durable
Runs as:   `python -m streams`, any number of times
"""
