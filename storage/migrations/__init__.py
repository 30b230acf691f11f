"""The schema's history: one file for each step in versions/, applied by alembic on a connection it is given.

Steps only add (expand) what the running version does not need yet, or drop (contract) what it no longer uses, so that
old and new nodes run side by side. `python -m storage.migrations "what changes"` writes the next step from the tables.
"""
