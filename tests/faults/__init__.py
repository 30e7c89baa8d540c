"""Breaks a whole system under load, and compares every store with what was acknowledged: the faults of `table.py`."""
