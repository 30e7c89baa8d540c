"""The log read once more, beside the streams: is the ledger what the log says, and what is not counted yet?

Reads:     Kafka (in no group, so that nobody is disturbed), the ledger and the positions (ClickHouse)
Writes:    a table `log_read_*` in ClickHouse while it reads, which it drops
Promises:  memory is bounded by one stretch of the log; what was read is remembered as two numbers a stretch
"""
