"""Carriers between the brokers, one file a bridge, named from_to.

Reads:     the outbox (PostgreSQL), events.to_kafka (RabbitMQ), the findings (Kafka)
Writes:    the exchanges of events and commands (RabbitMQ), the content topic (Kafka), outbox.published_at
Promises:  what one side has, the other side gets, at least once, each key in its order; a source is told that a message
           is done only after the far side has confirmed it
Runs as:   `python -m bridges`, or `python -m bridges NAME` for one of them; any number of times
"""
