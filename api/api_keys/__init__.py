"""Personal API keys: a key acts as its owner, within its scopes.

Writes:    api_keys
Promises:  the key itself is never stored; it never may more than its owner may now; it cannot make or end keys, nor
           touch its owner's account
"""
