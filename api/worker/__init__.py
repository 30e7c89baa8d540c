"""Carries out commands: what the stream processors found, written where the API reads it.

Reads:     the command queues and the dead letters (RabbitMQ), what waits and what is due (PostgreSQL)
Writes:    content, the outbox, the audit trail, what waits or is dead (PostgreSQL)
Promises:  a command is carried out once, in one transaction with the note that it was; it is acknowledged only after
           the commit; what cannot be done now waits, and those of its key behind it; what never can is kept with why;
           what is scheduled is issued at its time, once
Runs as:   `python -m api work`
"""
