"""One file a contender: takes its task as one JSON argument, prints one JSON line, imports nobody but itself.

Reads:     the task; a topic, or a server's socket
Writes:    {events, cpu_seconds, wall_seconds, rss_mb, ...} on standard output
Promises:  the clock starts at the first event, so start-up is not counted
Runs as:   `python -m benchmarks.contenders.NAME TASK`, peers in an environment of their own
"""
