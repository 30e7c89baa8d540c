"""People: every user of the seed, and what others may see of one."""
