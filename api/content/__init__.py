"""Pieces of content: written, imported, listed, and what readers do with them.

Reads:     content, Redis' counters, ClickHouse where Redis has nothing
Writes:    content and, in the same transaction, the outbox
Promises:  every change is a new revision and an event; another organization's piece reads like one that never was
"""
