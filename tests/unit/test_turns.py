"""Who goes first in a process that both answers callbacks and works on them."""

import threading
import time

import pytest

from adapter import turns
from adapter.turns import Turns


def test_background_work_waits_until_the_callback_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "LONGEST_SECONDS", 30.0)
    first = Turns()
    order: list[str] = []

    def work() -> None:
        first.wait()
        order.append("worked")

    with first.answering():
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.2)
        order.append("answered")
    worker.join(60)
    assert order == ["answered", "worked"]


def test_a_stream_of_callbacks_cannot_stop_the_background_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "LONGEST_SECONDS", 0.1)
    first = Turns()
    with first.answering():
        began = time.monotonic()
        first.wait()
        assert 0.1 <= time.monotonic() - began < 5


def test_a_callback_that_fails_lets_the_work_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST_SECONDS", 30.0)
    first = Turns()
    with pytest.raises(ValueError, match="refused"), first.answering():
        raise ValueError("refused")
    began = time.monotonic()
    first.wait()
    assert time.monotonic() - began < 5
