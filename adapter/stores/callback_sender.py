"""The claims that tell the gateway's tokens from those of other clients of its realm, once learned.

Kept in `setting` for each generation of the gateway's interface, so that a restart and every other
process know them. `CALLBACK_TOKEN_CLAIMS` in the configuration stands above this.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import sqlalchemy as sa

from adapter.stores import settings
from adapter.stores.db import Database, Tx, outbox_attempt

KEY = "callback_token_claims"


def _key(generation: str) -> str:
    return KEY if generation == "v3" else f"{KEY}:{generation}"


def pinned(tx: Tx, generation: str) -> dict[str, str] | None:
    """The claims learned, None while there are none."""
    kept = settings.get(tx, _key(generation))
    return dict(orjson.loads(kept)) if kept else None


def pin(db: Database, tx: Tx, generation: str, claims: Mapping[str, str], response_to: str) -> bool:
    """Learn `claims` if `response_to` is a REQUEST-ID that we sent; whether it was.

    Whoever comes second changes nothing.
    """
    ours = sa.select(outbox_attempt.c.request_id).where(outbox_attempt.c.request_id == response_to)
    if tx.scalar(ours) is None:
        return False
    settings.put_once(db, tx, _key(generation), orjson.dumps(dict(claims)).decode())
    return True
