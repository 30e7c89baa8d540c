"""Figures counted again from the ledger: a new generation of them in ClickHouse, Redis and PostgreSQL.

Reads:     the ledger and the positions (ClickHouse), where Redis stands, which pieces PostgreSQL has
Writes:    the aggregates, in a new table that is swapped in; Redis's counters, beside the old ones and then switched;
           commands for PostgreSQL (Kafka), in versions that win
Promises:  readers see the old figure or the new one and nothing else; killed anywhere, everything works on, and the
           same command again finishes it; workers that count in an older generation can write nothing more
Runs as:   `tallywire recount`
"""
