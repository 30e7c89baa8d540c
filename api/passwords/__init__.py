"""Passwords: changed by their owner, or by a link that an administrator made.

Writes:    users.password_hash, password_resets
Promises:  a new password ends the sessions of the old one; a link is good once, for a day; what is stored is argon2id's
"""
