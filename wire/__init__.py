"""What travels, and the doors it travels through.

Holds:     event and command types, the envelope, topics and queues, settings, telemetry, one thin client per store
Imports:   none of the other folders; all of them may import it
Promises:  what one folder writes, every other folder reads back unchanged
"""
