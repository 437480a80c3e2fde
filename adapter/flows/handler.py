"""What a flow gives to `work.py`: the types of a handler and of what it commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapter.protocol.messages import Envelope
from adapter.runtime import Adapter
from adapter.stores.db import Tx
from adapter.stores.outbox_rows import OutboxRow

#: Everything a handler writes to SQL, run in ONE transaction with finishing the inbox row.
Commit = Callable[[Tx], None]

#: What became of an outgoing message: SENT, or the name of the error class that ended it
#: ("AlreadyDone" counts as sent).
Outcome = str
SENT: Outcome = "sent"
TAKEN = frozenset({SENT, "AlreadyDone"})

#: How long each kind of reply is worth sending (architecture 10).
DISCOVER_REPLY = timedelta(seconds=10)
LINK_REPLY = timedelta(seconds=60)
DATA_REPLY = timedelta(minutes=20)
ANY_REPLY = timedelta(hours=24)


@dataclass(frozen=True)
class Handler:
    """How one inbound message is worked on.

    `handle(adapter, envelope, message)` may read and write FHIR (idempotently, on derived ids) and
    returns the Commit. It may raise ProtocolError (then `refuse` builds the reply that carries the
    error), IllegalTransition (recorded and ignored), FhirUnavailable or RetryLater (then it is
    called again until `patience` has passed, and refused with RequestNotServable). `refuse` gets
    envelope, message and error class name and returns the reply and its deadline; None: the message
    asks for no reply. `waited_for`: somebody sits before a screen until the reply comes, so FHIR
    gets no longer than `patience` either, and threads of its own work on it.
    """

    handle: Callable[[Adapter, Envelope, Any], Commit]
    refuse: Callable[[Envelope, Any, str], tuple[Any, timedelta]] | None
    patience: timedelta
    waited_for: bool = False


AfterSend = Callable[[Adapter, Tx, str, Outcome], None]
BeforeSend = Callable[[Adapter, Tx, OutboxRow], datetime | None]
