"""How PostgreSQL came to its shape, one numbered step after another (Alembic).

Reads:     `versions/`
Writes:    the schema, the roles that the URLs name, their rights
Promises:  the same again changes nothing; two at once wait for each other; all of it or none
Runs as:   `python -m api migrate`, as the owner
"""
