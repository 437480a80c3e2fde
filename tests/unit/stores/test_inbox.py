"""The inbox: replays, claims, leases, retention."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.config import Config
from adapter.protocol.errors import ConflictingReplay
from adapter.runtime import Adapter
from adapter.stores import claims, inbox, retention
from adapter.stores.db import inbox as table
from tests import rig

BODY = b'{"transactionId": "t", "name": "Canary Devi"}'


def store(adapter: Adapter, request_id: str = "r-1", body: bytes = BODY, **more: str) -> str:
    with adapter.db.transaction() as tx:
        return inbox.store(
            tx,
            adapter,
            message=more.get("message", "DiscoverCareContexts"),
            dialect="v3",
            request_id=request_id,
            hip_id=rig.HIP_ID,
            hiu_id=None,
            sent_at=adapter.clock(),
            body=body,
            patience=timedelta(seconds=8),
        )


def test_the_same_callback_again_is_a_replay_and_stored_once(adapter: Adapter) -> None:
    assert [store(adapter), store(adapter)] == ["new", "replay"]
    with adapter.db.reading() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 1


def test_another_body_under_a_used_id_is_a_conflicting_replay(adapter: Adapter) -> None:
    store(adapter)
    with pytest.raises(ConflictingReplay):
        store(adapter, body=BODY + b" ")


def test_the_same_id_for_another_message_is_another_callback(adapter: Adapter) -> None:
    assert store(adapter) == store(adapter, message="LinkInit") == "new"


def test_the_body_is_sealed_at_rest_and_opens_unchanged(adapter: Adapter, tmp_path: Path) -> None:
    store(adapter)
    adapter.db.close()
    files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"r-1" in files
    assert b"Canary" not in files
    row = inbox.claim(adapter.db, adapter.clock())
    assert row is not None
    assert adapter.sealer.open(row.body) == BODY


def test_a_claimed_row_is_not_claimed_again_until_its_lease_lapses(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    store(adapter)
    first = inbox.claim(adapter.db, clock())
    assert first is not None
    assert inbox.claim(adapter.db, clock.advance(59)) is None
    again = inbox.claim(adapter.db, clock.advance(1))
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)


def test_a_worker_whose_lease_lapsed_cannot_commit_over_the_one_that_took_the_row(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    store(adapter)
    slow = inbox.claim(adapter.db, clock())
    clock.advance(60)
    quick = inbox.claim(adapter.db, clock())
    assert slow is not None
    assert quick is not None

    def commit_late() -> None:
        with adapter.db.transaction() as tx:
            tx.execute(sa.update(table).values(sentence="written by the slow one"))
            inbox.finish(tx, slow, clock())

    with pytest.raises(claims.LeaseLost):
        commit_late()
    with adapter.db.transaction() as tx:
        assert tx.scalar(sa.select(table.c.sentence)) is None
        inbox.finish(tx, quick, clock())
    with adapter.db.reading() as tx:
        assert tx.scalar(sa.select(table.c.state)) == inbox.State.DONE


def test_a_long_handler_keeps_its_lease(
    adapter: Adapter, clock: rig.FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(adapter)
    row = inbox.claim(adapter.db, clock())
    assert row is not None
    clock.advance(50)
    assert claims.renew(adapter.db, table, row.id, row.lease_id, clock() + claims.LEASE)
    assert inbox.claim(adapter.db, clock.advance(50)) is None
    assert not claims.renew(adapter.db, table, row.id, "another", clock() + claims.LEASE)


def test_callbacks_are_worked_on_in_the_order_they_fell_due(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    for number in range(3):
        store(adapter, f"r-{number}")
        clock.advance(1)
    claimed = [inbox.claim(adapter.db, clock()) for _ in range(3)]
    assert [row.request_id for row in claimed if row] == ["r-0", "r-1", "r-2"]


def test_bodies_are_blanked_after_a_week_and_keys_forgotten_after_a_month(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    store(adapter)
    row = inbox.claim(adapter.db, clock())
    assert row is not None
    with adapter.db.transaction() as tx:
        inbox.finish(tx, row, clock())
    clock.advance(days=6, hours=23)
    assert purged(adapter) == [True]
    clock.advance(hours=1)
    assert purged(adapter) == [False]
    assert store(adapter) == "replay"
    clock.advance(days=23)
    assert purged(adapter) == []


def test_an_unfinished_callback_is_never_forgotten(
    adapter: Adapter, clock: rig.FrozenClock
) -> None:
    store(adapter)
    clock.advance(days=400)
    assert purged(adapter) == [True]


def purged(adapter: Adapter) -> list[bool]:
    """Purge; then for each row whether its body is still there."""
    with adapter.db.transaction() as tx:
        retention.purge(tx, adapter.clock())
        return [body is not None for body in tx.scalars(sa.select(table.c.body))]


def test_inbox_keys_outlive_every_token_that_could_bring_a_callback_again() -> None:
    leeway = Config.model_fields["callback_token_leeway"].metadata
    largest_leeway = next(timedelta(seconds=each.le) for each in leeway if hasattr(each, "le"))
    longest_token_life = timedelta(days=1)  # the gateway's live 20 minutes, a Keycloak day at most
    assert 10 * (largest_leeway + longest_token_life) <= retention.KEY_RETENTION
