"""Mirrors the folders; `path/` crosses them, `faults/` breaks them. Each folder has its own corner of real servers."""
