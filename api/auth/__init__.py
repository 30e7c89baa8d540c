"""Who is asking, how they showed it, and what they may do.

Reads:     users, sessions, api_keys, the signing keys, an identity provider
Writes:    users.last_login, api_keys.last_used_at, identities; failed attempts and sign-ins under way (Redis)
Promises:  a wrong password and an unknown address take the same time and read the same; guesses are counted before they
           are judged; whoever is no longer active, or has signed out, is out at once; a request without token or key
           gets 401 on every route but those of signing in and health
"""
