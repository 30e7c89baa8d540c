"""Keys by which engagement events may be sent in: shown once, stored as a hash.

Writes:    write_keys
Promises:  the key itself is never stored; a revoked key is not deleted, so that it can be told which it was
"""
