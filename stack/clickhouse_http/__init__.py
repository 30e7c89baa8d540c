"""ClickHouse's HTTP interface in front of chDB, so that one client serves the embedded engine and a real server.

Reads:     HTTP requests as clickhouse-connect, curl or a dashboard send them to ClickHouse
Writes:    one chDB folder; only one process may have it open
Promises:  ClickHouse's formats, parameters, settings, compression, sessions and error codes; an insert is stored whole
           or not at all; a statement that would keep the folder from opening again is refused
Runs as:   `python -m stack.clickhouse_http FOLDER --port PORT --users FILE`
Not here:  external data, the native protocol, KILL QUERY by id (hang up instead)
"""
