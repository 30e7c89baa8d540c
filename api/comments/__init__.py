"""What is said about a piece: threads, anchored to the text that they are about.

Reads:     comments, content and its revisions
Writes:    comments and the audit trail
Promises:  an anchor points at its own words or says that they are gone; only the author changes a comment
"""
