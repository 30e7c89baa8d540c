"""How people come in: an administrator invites an address, its holder sets a password by the link.

Writes:    invitations, users
Promises:  a link is shown once, good once and for a week; nobody invites to a role above their own
"""
