"""The front door: people, content and commands, over HTTP and PostgreSQL.

Reads:     PostgreSQL, Redis (live counters), ClickHouse through `analytics.ask`, commands (RabbitMQ)
Writes:    PostgreSQL, and nobody else does; what others must hear of goes into its outbox
Promises:  a change and its outbox row together or not at all; one organization never learns of another; a command is
           carried out once, however often it is delivered; every error is an RFC 9457 problem
Runs as:   `python -m api serve`, `work`, `migrate`, `bootstrap`, `rotate-keys`, `openapi`, `permissions`
"""
