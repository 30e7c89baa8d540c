"""The verbs of `tallywire`, a file each.

Reads:     `run/state.json` of a data folder; the API and the front door, over HTTP, as anyone would
Writes:    what the verb says; only the supervisor writes the state
Promises:  a refusal is one clear line and exit status 1; secrets are printed only where asked for
Runs as:   `tallywire VERB`, or `python -m stack VERB`
"""
