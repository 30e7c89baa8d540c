"""People: every field of the seed, who may change which of them, and what others may see of one.

Reads:     users
Writes:    users.role, users.status, users.profile
Promises:  nobody gives or takes a role above their own; an organization keeps an active administrator; whoever is not
           active is out at once
"""
