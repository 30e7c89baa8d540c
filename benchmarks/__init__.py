"""What an event costs here, and what it costs elsewhere, measured in the same run.

Reads:     nothing: servers, topics and events are made for the run
Writes:    one table on the terminal, `benchmarks/results.json`, `docs/benchmarks.md`
Promises:  counts are compared with an independent count; CPU is that of every process that does the work
Runs as:   `make bench`; `python -m benchmarks --quick` in a minute
"""
