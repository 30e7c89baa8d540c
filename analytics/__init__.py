"""ClickHouse's shape and its answers.

Reads:     ClickHouse
Writes:    ClickHouse's tables; of their rows only what a new table must know of the older ones
Promises:  a schema file that was applied never changes; a query file answers one question, and says who asks it
Runs as:   `python -m analytics migrate`, `python -m analytics ask NAME key=value ...`
"""
