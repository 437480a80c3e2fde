"""SQL of transfers out: the transfer, its care contexts, its pages and their ciphertext.

What identifies the receiver's request (push URL, keys, patients) is sealed; pages are ciphertext
already and kept as 1 MiB rows, so that neither memory nor a lock has to hold a whole one. State
changes name the states they may come from (`rules.states.sources`). Decides nothing itself;
`work.py` claims due rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from adapter.rules import states
from adapter.rules.states import PageState, TransferContextState, TransferState
from adapter.stores.db import (
    Database,
    Tx,
    inbox,
    page,
    page_chunk,
    transfer,
    transfer_context,
)

if TYPE_CHECKING:
    from adapter.runtime import Adapter

CHUNK = 1024 * 1024
#: Only transfers out are kept here so far.
OUT = "out"
SENTENCE = 255


@dataclass(frozen=True)
class Request:
    """What a HIU asked for, as far as pages are made from it. `patient_ids`: whose visits the
    artefact's care contexts are; anybody else's are not served."""

    push_url: str
    public_key: str
    nonce: str
    start: datetime
    end: datetime
    hi_types: tuple[str, ...]
    patient_ids: tuple[str, ...]


_REQUEST = TypeAdapter(Request)


@dataclass(frozen=True)
class Transfer:
    """One transfer out. `request` is None once the transfer has ended: no longer needed."""

    id: str
    transaction_id: str
    consent_id: str
    hip_id: str
    hiu_id: str | None
    patient_id: str | None
    dialect: str
    state: TransferState
    request: Request | None
    push_host: str | None
    created_at: datetime
    due_at: datetime
    deadline: datetime
    page_count: int | None = None
    done_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None


@dataclass(frozen=True)
class Context:
    """One care context of a transfer, in the artefact's order."""

    reference: str
    position: int
    state: TransferContextState
    sentence: str | None = None


@dataclass(frozen=True)
class Page:
    """One encrypted document. `size`: length of its base64 content in bytes."""

    id: str
    transfer_id: str
    number: int
    reference: str
    hi_type: str
    state: PageState
    public_key: str
    nonce: str
    checksum: str
    size: int
    attempts: int = 0
    sent_at: datetime | None = None
    sentence: str | None = None


# --- transfers -------------------------------------------------------------------------------


def add(tx: Tx, adapter: Adapter, row: Transfer, references: Sequence[str]) -> bool:
    """Store a new transfer with its care contexts; False if its transaction is known already."""
    values = _columns(row) | {
        "direction": OUT,
        "attempts": 0,
        "request": row.request and adapter.sealer.seal(_REQUEST.dump_json(row.request)),
    }
    if not adapter.db.insert_new(tx, transfer, values):
        return False
    tx.execute(
        sa.insert(transfer_context),
        [
            {
                "transfer_id": row.id,
                "reference": reference,
                "position": position,
                "state": TransferContextState.WAITING,
            }
            for position, reference in enumerate(references, 1)
        ],
    )
    return True


def by_id(tx: Tx, adapter: Adapter, transfer_id: str) -> Transfer | None:
    """The transfer of this id."""
    return _transfer(tx, adapter, transfer.c.id == transfer_id)


def by_transaction(tx: Tx, adapter: Adapter, transaction_id: str) -> Transfer | None:
    """The transfer of this ABDM transaction."""
    return _transfer(tx, adapter, transfer.c.transaction_id == transaction_id)


def move(tx: Tx, transfer_id: str, state: TransferState, **values: Any) -> bool:
    """Move a transfer where that is allowed, with further columns; whether it moved."""
    changed = tx.execute(
        sa.update(transfer)
        .where(transfer.c.id == transfer_id, transfer.c.state.in_(states.sources(state)))
        .values(state=state, **values)
    )
    return changed.rowcount == 1


def end(
    tx: Tx,
    transfer_id: str,
    state: TransferState,
    now: datetime,
    error: str | None = None,
    sentence: str | None = None,
) -> bool:
    """Move a transfer to an end and forget its request and ciphertext; whether it moved."""
    moved = move(
        tx,
        transfer_id,
        state,
        done_at=now,
        request=None,
        error=error,
        sentence=sentence and sentence[:500],
    )
    if moved:
        mine = sa.select(page.c.id).where(page.c.transfer_id == transfer_id)
        tx.execute(sa.delete(page_chunk).where(page_chunk.c.page_id.in_(mine)))
    return moved


def postpone(tx: Tx, transfer_id: str, due_at: datetime, error: str, sentence: str) -> None:
    """Try again at `due_at`; says why for the operator."""
    tx.execute(
        sa.update(transfer)
        .where(transfer.c.id == transfer_id, transfer.c.done_at.is_(None))
        .values(due_at=due_at, error=error, sentence=sentence[:500])
    )


def is_open(tx: Tx, transfer_id: str) -> bool:
    """Whether it has not ended (a revocation may have ended it meanwhile)."""
    done_at = sa.select(transfer.c.done_at).where(transfer.c.id == transfer_id)
    return tx.execute(done_at).scalar_one() is None


def open_under(tx: Tx, consent_id: str) -> list[str]:
    """Ids of the transfers under an artefact that have not ended."""
    found = sa.select(transfer.c.id).where(
        transfer.c.consent_id == consent_id, transfer.c.done_at.is_(None)
    )
    return list(tx.scalars(found))


def _columns(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _transfer(tx: Tx, adapter: Adapter, where: sa.ColumnElement[bool]) -> Transfer | None:
    row = tx.execute(sa.select(transfer).where(where, transfer.c.direction == OUT)).one_or_none()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in Transfer.__dataclass_fields__}
    sealed = values["request"]
    values["request"] = sealed and _REQUEST.validate_json(adapter.sealer.open(sealed))
    values["state"] = TransferState(row.state)
    return Transfer(**values)


# --- care contexts ---------------------------------------------------------------------------


def contexts(tx: Tx, transfer_id: str) -> list[Context]:
    """Every care context of a transfer, in order."""
    rows = tx.execute(
        sa.select(transfer_context)
        .where(transfer_context.c.transfer_id == transfer_id)
        .order_by(transfer_context.c.position)
    )
    return [
        Context(row.reference, row.position, TransferContextState(row.state), row.sentence)
        for row in rows
    ]


def settle_contexts(
    tx: Tx, transfer_id: str, outcomes: Iterable[tuple[str, TransferContextState, str | None]]
) -> None:
    """Write (reference, state, sentence) of several care contexts."""
    changes = [
        {"b_reference": reference, "b_state": state, "b_sentence": sentence and sentence[:SENTENCE]}
        for reference, state, sentence in outcomes
    ]
    if changes:
        tx.execute(
            sa.update(transfer_context)
            .where(
                transfer_context.c.transfer_id == transfer_id,
                transfer_context.c.reference == sa.bindparam("b_reference"),
            )
            .values(state=sa.bindparam("b_state"), sentence=sa.bindparam("b_sentence")),
            changes,
        )


# --- pages -----------------------------------------------------------------------------------


def add_pages(tx: Tx, pages: Sequence[tuple[Page, str]]) -> None:
    """Store pages with their base64 content."""
    if not pages:
        return
    tx.execute(sa.insert(page), [_columns(row) for row, _ in pages])
    waiting: list[dict[str, Any]] = []
    for row, content in pages:
        for n, start in enumerate(range(0, len(content), CHUNK)):
            data = content[start : start + CHUNK].encode("ascii")
            waiting.append({"page_id": row.id, "n": n, "data": data})
            # Many small pages go in one statement, a large one in several.
            if len(data) == CHUNK:
                tx.execute(sa.insert(page_chunk), waiting)
                waiting = []
    if waiting:
        tx.execute(sa.insert(page_chunk), waiting)


def pages(tx: Tx, transfer_id: str) -> list[Page]:
    """Every page of a transfer, in order, without content."""
    rows = tx.execute(
        sa.select(page).where(page.c.transfer_id == transfer_id).order_by(page.c.number)
    )
    return [
        Page(
            **{
                **{name: getattr(row, name) for name in Page.__dataclass_fields__},
                "state": PageState(row.state),
            }
        )
        for row in rows
    ]


def disclosed(tx: Tx, transfer_id: str) -> list[str]:
    """The care contexts of which at least one document left."""
    found = (
        sa.select(page.c.reference)
        .where(page.c.transfer_id == transfer_id, page.c.state == PageState.SENT)
        .group_by(page.c.reference)
        .order_by(sa.func.min(page.c.number))
    )
    return list(tx.scalars(found))


def page_total(tx: Tx, transfer_id: str) -> int:
    """How many pages a transfer has."""
    count = sa.select(sa.func.count()).select_from(page).where(page.c.transfer_id == transfer_id)
    return tx.scalar(count) or 0


def content(db: Database, page_id: str) -> Iterator[bytes]:
    """A page's base64 content in parts, read one by one."""
    n = 0
    while True:
        with db.reading() as tx:
            data = tx.scalar(
                sa.select(page_chunk.c.data).where(
                    page_chunk.c.page_id == page_id, page_chunk.c.n == n
                )
            )
        if data is None:
            return
        yield bytes(data)
        if len(data) < CHUNK:
            return
        n += 1


def settle_page(
    tx: Tx, page_id: str, state: PageState, *, sent_at: datetime | None, sentence: str | None
) -> None:
    """A page was taken or given up."""
    tx.execute(
        sa.update(page)
        .where(page.c.id == page_id, page.c.state.in_(states.sources(state)))
        .values(
            state=state,
            attempts=page.c.attempts + 1,
            sent_at=sent_at,
            sentence=sentence and sentence[:SENTENCE],
        )
    )


def count_attempt(tx: Tx, page_id: str, sentence: str) -> None:
    """A page was tried and will be tried again."""
    tx.execute(
        sa.update(page)
        .where(page.c.id == page_id)
        .values(attempts=page.c.attempts + 1, sentence=sentence[:SENTENCE])
    )


def give_up_pages(tx: Tx, transfer_id: str, sentence: str) -> None:
    """No page that is still waiting will be sent."""
    tx.execute(
        sa.update(page)
        .where(page.c.transfer_id == transfer_id, page.c.state == PageState.SEALED)
        .values(state=PageState.FAILED, sentence=sentence[:SENTENCE])
    )


# --- what a request needs to know besides ----------------------------------------------------


def received_at(tx: Tx, message: str, request_id: str) -> datetime | None:
    """When a callback came in, by our clock."""
    return tx.scalar(
        sa.select(inbox.c.created_at).where(
            inbox.c.message == message, inbox.c.request_id == request_id
        )
    )
