"""Figures counted again from the ledger: a new generation of them in ClickHouse, Redis and PostgreSQL.

Reads:     the ledger and the positions (ClickHouse), which pieces PostgreSQL has
Writes:    the aggregates, in a new table that is swapped in; what the workers are to carry to Redis and PostgreSQL then
Promises:  readers see the old figure or the new one and nothing else; killed before the swap, it has changed nothing,
           killed after it, the workers finish it; workers that count in an older generation can write nothing more
Runs as:   `tallywire recount`
"""
