"""Small facts the adapter learns and keeps: one text a key, in the table `setting`.

Not configuration: that comes from the environment (`config.py`) and wins.
"""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.db import Database, Tx, setting


def get(tx: Tx, key: str) -> str | None:
    """The value of `key`, None where there is none."""
    value: str | None = tx.scalar(sa.select(setting.c.value).where(setting.c.key == key))
    return value


def put_once(db: Database, tx: Tx, key: str, value: str) -> str:
    """Keep `value` unless `key` has one already; returns what stands there afterwards."""
    db.insert_new(tx, setting, {"key": key, "value": value})
    kept = get(tx, key)
    return value if kept is None else kept


def put(tx: Tx, key: str, value: str) -> None:
    """Keep `value`, whatever stood there before."""
    delete(tx, key)
    tx.execute(sa.insert(setting).values(key=key, value=value))


def delete(tx: Tx, key: str) -> None:
    """Forget `key`."""
    tx.execute(sa.delete(setting).where(setting.c.key == key))
