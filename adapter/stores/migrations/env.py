"""Alembic's environment: runs on the connection that `stores.migrate` hands over, nothing else.

Batch mode, because SQLite can alter hardly anything in place. A new revision is written from the
difference between the tables of `stores.db` and a database at the present head.
"""

from __future__ import annotations

from alembic import context

from adapter.stores.db import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
