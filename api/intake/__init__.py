"""What came in from outside: what became of the events, and what was refused.

Reads:     ClickHouse: accepted_events, counted_events, rejections
Promises:  accepted = stored + duplicate + rejected + in flight + lost in every window; only admins see samples of input
"""
