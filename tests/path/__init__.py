"""Asks a whole system, started as a person would, through its front doors; one system for all files here."""
