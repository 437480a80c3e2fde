"""Several threads' writes in one commit, each with its own outcome."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter.runtime import Adapter
from adapter.stores import settings
from adapter.stores.db import Tx
from adapter.stores.together import Together
from tests.rig import adapter_over, sqlite_url


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    return adapter_over(sqlite_url(tmp_path))


class Killed(BaseException):
    """What a dying process raises; nothing may catch it."""


class Crowd:
    """Threads that all want to write while the first one's commit is held up."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.together = Together(adapter.db)
        self.outcomes: dict[str, str | Exception] = {}
        self.commits = 0

    def write(self, key: str) -> None:
        def put(tx: Tx) -> str:
            settings.put_once(self.adapter.db, tx, key, "1")
            if key == "kill":
                raise Killed
            if key.startswith("bad"):
                raise ValueError(key)
            return key

        try:
            self.outcomes[key] = self.together.write(put)
        except ValueError as error:
            self.outcomes[key] = error
        except Killed:
            pass

    def run(self, keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Everybody waits behind a transaction, then all are let go."""
        transaction = self.adapter.db.transaction

        @contextmanager
        def counted() -> Iterator[Tx]:
            with transaction() as tx:
                yield tx
            self.commits += 1

        threads = [threading.Thread(target=self.write, args=(key,)) for key in keys]
        with transaction():
            monkeypatch.setattr(self.adapter.db, "transaction", counted)
            for thread in threads:
                thread.start()
            # The first to come leads and waits for the writer; the others queue behind it.
            while len(self.together._waiting) < len(keys) - 1:
                threading.Event().wait(0.01)
        for thread in threads:
            thread.join(10)

    def stored(self, key: str) -> bool:
        with self.adapter.db.reading() as tx:
            return settings.get(tx, key) is not None


def test_writes_that_wait_together_are_committed_together(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(adapter)
    keys = [f"key{n}" for n in range(6)]
    crowd.run(keys, monkeypatch)
    assert crowd.outcomes == {key: key for key in keys}
    assert all(crowd.stored(key) for key in keys)
    assert crowd.commits == 2


def test_a_write_that_fails_takes_no_other_with_it(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(adapter)
    crowd.run(["a", "bad1", "b", "bad2", "c"], monkeypatch)
    for key in ("a", "b", "c"):
        assert crowd.outcomes[key] == key
        assert crowd.stored(key)
    for key in ("bad1", "bad2"):
        assert isinstance(crowd.outcomes[key], ValueError)
        assert not crowd.stored(key)


def test_a_kill_while_leading_tells_nobody_of_a_write_that_is_not_stored(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(adapter)
    keys = ["a", "b", "kill", "c", "d"]
    crowd.run(keys, monkeypatch)
    # The thread that led the group with the kill in it dies, and so does the one it was meant for.
    assert len(crowd.outcomes) >= 3
    for key in keys:
        assert crowd.stored(key) == (key in crowd.outcomes)
