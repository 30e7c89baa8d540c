"""Staying signed in: a session is a family of refresh tokens, each good for one use.

Writes:    sessions, refresh_tokens
Promises:  a refresh token that comes a second time ends its session, and with it every access token of it; of many
           refreshes at once with one token, one wins at most
"""
