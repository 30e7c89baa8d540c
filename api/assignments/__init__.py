"""Who is to do what by when: the assignees of a piece, their due dates and reminders.

Reads:     assignments, content, users
Writes:    assignments and the audit trail
Promises:  only active people of the organization are assigned; a reminder is told of once (`api/worker/reminders.py`)
"""
