"""What alembic runs for each command: everything it needs is handed in by storage/migrate.py."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes.get("metadata"),
    # SQLite cannot alter most of a table in place; alembic then rebuilds it.
    render_as_batch=True,
    compare_type=True,
    compare_server_default=attributes["compare_server_default"],
)
with context.begin_transaction():
    context.run_migrations()
