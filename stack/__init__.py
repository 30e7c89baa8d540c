"""One machine: the servers and the services as child processes, and the `tallywire` command.

Reads:     the environment (an address given there is used, and that server is not started), the data folder
Writes:    the data folder, `data/` by default: servers' files, logs, secrets (mode 0600), `run/state.json`
Promises:  what was started is stopped, or dies with the supervisor; what dies alone is started again; ports and secrets
           are chosen once; nothing outside the data folder is touched but, by root, Debian's RabbitMQ package
Runs as:   `tallywire up`, one supervisor a data folder
"""
