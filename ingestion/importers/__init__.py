"""Files of others -> what the collector takes: one pure parser a format, and the delivery that they share.

Reads:     files; the parsers know no network and no clock
Writes:    through the front doors: pieces to the API, events, totals and refusals to the collector
Promises:  every line or row is exactly one thing or one refusal; the same file again changes nothing
Runs as:   `tallywire import ...`
"""
