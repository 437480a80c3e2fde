"""Runs things later, in a small thread pool: callbacks, their repeats, consent expiry.

Knows nothing about ABDM. `clear()` forgets everything that is still waiting.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("simulator")
WORKERS = 8


class Scheduler:
    """A timer thread that hands due jobs to the pool."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._running = True
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="simulator")
        self._timer = threading.Thread(target=self._run, name="simulator-timer", daemon=True)
        self._timer.start()

    def after(self, seconds: float, job: Callable[[], None]) -> None:
        """Run `job` in the pool after that many seconds (at once if not positive)."""
        with self._wake:
            due = time.monotonic() + max(0.0, seconds)
            heapq.heappush(self._jobs, (due, next(self._numbers), job))
            self._wake.notify()

    def clear(self) -> None:
        """Forget all waiting jobs; those already running finish."""
        with self._wake:
            self._jobs.clear()

    def stop(self) -> None:
        """Stop for good."""
        with self._wake:
            self._running = False
            self._jobs.clear()
            self._wake.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._running and not self._due():
                    self._wake.wait(self._pause())
                if not self._running:
                    return
                _, _, job = heapq.heappop(self._jobs)
                self._pool.submit(_guarded, job)

    def _due(self) -> bool:
        return bool(self._jobs) and self._jobs[0][0] <= time.monotonic()

    def _pause(self) -> float | None:
        # A wait of days overflows on some systems; an hour at a time is as good.
        return min(3600.0, max(0.0, self._jobs[0][0] - time.monotonic())) if self._jobs else None


def _guarded(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception:
        log.exception("A background job of the simulator failed.")
