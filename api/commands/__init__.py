"""Commands that wait or are dead: seen, brought back, thrown away.

Reads:     commands_aside
Writes:    commands_aside, processed_commands, the audit trail
Promises:  an administrator sees the organization's own and no other; what was discarded is never carried out
"""
