"""How long the inbox and the outbox keep what they hold, and the purge that sees to it.

Bodies are blanked 7 days after the work ended. Inbox keys outlive the time in which a replay could
pass the token check: a bearer token's life and the largest CALLBACK_TOKEN_LEEWAY (a day); one test
compares them. An audit event that was never delivered keeps its body until it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from adapter.stores.db import Tx, inbox, outbox, outbox_attempt
from adapter.stores.outbox_rows import Kind, State

BODY_RETENTION = timedelta(days=7)
KEY_RETENTION = timedelta(days=30)


def purge(tx: Tx, now: datetime) -> None:
    """Blank the bodies of what ended a week ago; forget what was done a month ago."""
    lately = now - BODY_RETENTION
    tx.execute(
        sa.update(inbox)
        .where(inbox.c.done_at <= lately, inbox.c.body.is_not(None))
        .values(body=None)
    )
    tx.execute(
        sa.update(outbox)
        .where(
            outbox.c.done_at <= lately,
            outbox.c.body.is_not(None),
            sa.or_(outbox.c.state == State.DONE, outbox.c.kind.not_in([Kind.AUDIT, Kind.TAG])),
        )
        .values(body=None)
    )
    long_ago = now - KEY_RETENTION
    tx.execute(sa.delete(inbox).where(inbox.c.done_at.is_not(None), inbox.c.created_at <= long_ago))
    gone = (outbox.c.state == State.DONE, outbox.c.done_at <= long_ago)
    tx.execute(
        sa.delete(outbox_attempt).where(
            outbox_attempt.c.outbox_id.in_(sa.select(outbox.c.id).where(*gone))
        )
    )
    tx.execute(sa.delete(outbox).where(*gone))
