"""ClickHouse's shape and its answers.

Reads:     ClickHouse
Writes:    ClickHouse's tables, never their rows
Promises:  a schema file that was applied never changes; a query file answers one question, and says who asks it
Runs as:   `python -m analytics migrate`, `python -m analytics ask NAME key=value ...`
"""
