"""The second factor: six digits of an authenticator (TOTP), or one of ten recovery codes.

Writes:    second_factors
Promises:  a code is good once; the secret is encrypted with a key that PostgreSQL never sees; once confirmed, nobody
           signs in without it
"""
