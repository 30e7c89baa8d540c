"""What the person at the keyboard must be told."""


class Refused(Exception):
    """It cannot be done; the message says why, and what to do."""
