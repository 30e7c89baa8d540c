"""Who said yes to which text, and how many must.

Reads:     approvals, approval_policies
Writes:    both, and the audit trail
Promises:  an approval is of one revision's SHA-256; an edit voids it; nobody approves what they wrote
"""
