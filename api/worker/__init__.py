"""Carries out commands: what the stream processors found, written where the API reads it.

Reads:     the command queues (RabbitMQ)
Writes:    content (PostgreSQL), the retry queues and the dead letters (RabbitMQ)
Promises:  a command is carried out once, in one transaction with the note that it was; it is acknowledged only after
           the commit; what cannot be done now waits and comes again, what never can goes to the dead letters with why
Runs as:   `python -m api work`
"""
