"""Organizations: one's own; and for a super_admin, which there are, and a new one.

Writes:    organizations
Promises:  nobody but a super_admin can tell another organization from one that does not exist
"""
