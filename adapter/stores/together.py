"""One commit for the short writes of several threads (group commit).

On SQLite writers take turns, and most of a small transaction is its commit. So what several
threads want written while one of them is committing is then written by the next of them in one
transaction. Each still returns only when its own write is on disk, or raises what its own work
raised. Elsewhere each work has a transaction of its own, since writers do not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from adapter.stores.db import Database, Tx

T = TypeVar("T")


class _Work:
    """What one thread wants written, and what became of it."""

    def __init__(self, write: Callable[[Tx], Any]) -> None:
        self.write = write
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None


class Together:
    """Usable by any number of threads of one process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: list[_Work] = []
        self._list = threading.Lock()
        self._leading = threading.Lock()

    def write(self, write: Callable[[Tx], T]) -> T:
        """Run `write` in a transaction, commit, return its result; raises what it raised.

        `write` may be run twice (the first run is then rolled back), so it must only touch `tx`.
        """
        if not self._db.sqlite:
            with self._db.transaction() as tx:
                return write(tx)
        mine = _Work(write)
        with self._list:
            self._waiting.append(mine)
        with self._leading:
            # Done already if another thread led while this one waited.
            if not mine.done:
                with self._list:
                    group, self._waiting = self._waiting, []
                # A leader that was killed has left its group undone: each leads again for itself.
                self._lead(group if mine in group else [*group, mine])
        if mine.error is not None:
            raise mine.error
        result: T = mine.result
        return result

    def _lead(self, group: list[_Work]) -> None:
        try:
            with self._db.transaction() as tx:
                for work in group:
                    work.result = work.write(tx)
        except Exception as error:  # noqa: BLE001 - raised by whose work it was
            if len(group) == 1:
                group[0].error = error
            else:
                # One of them failed and took the others' writes with it: each alone.
                for work in group:
                    self._lead([work])
        for work in group:
            work.done = True
