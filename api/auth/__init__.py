"""Who is asking, and what that role may do.

Reads:     users, the signing keys
Writes:    users.last_login
Promises:  a wrong password and an unknown address take the same time and read the same; a token of a user who is no
           longer active does not hold; a request without a token gets 401 on every route but sign-in and health
"""
