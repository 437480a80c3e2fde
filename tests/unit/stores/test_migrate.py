"""The migrations make exactly the tables that the code uses, also when several start at once."""

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from adapter.stores import migrate
from adapter.stores.db import Database, metadata


def test_the_migrated_tables_are_those_of_the_code(database_url: str) -> None:
    db = Database(database_url)
    migrate.upgrade(db)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    db.close()


def test_migrating_twice_keeps_what_is_there(database_url: str) -> None:
    db = Database(database_url)
    migrate.upgrade(db)
    with db.transaction() as tx:
        tx.execute(sa.text("INSERT INTO setting (key, value) VALUES ('kept', 'yes')"))
    migrate.upgrade(db)
    with db.reading() as tx:
        assert tx.scalar(sa.text("SELECT value FROM setting WHERE key = 'kept'")) == "yes"
    db.close()


def test_several_processes_starting_at_once_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, databases))
    with databases[0].reading() as tx:
        assert tx.scalar(sa.text("SELECT count(*) FROM alembic_version")) == 1
    for db in databases:
        db.close()
