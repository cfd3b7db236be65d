"""How Alembic reaches the database: over the connection that ``upgrade`` or a developer hands to it."""

from __future__ import annotations

from alembic import context

from headgate.migrations.tables import TABLES

context.configure(connection=context.config.attributes["connection"], target_metadata=list(TABLES), transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
