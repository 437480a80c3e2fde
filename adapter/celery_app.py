"""Celery over Redis: a wake-up for worker processes, and never the only copy of anything.

Two tasks, `run_due` and `sweep`, without arguments: what is to be done stands in the database, and
a lost message only costs the second until a worker looks by itself. Late acknowledgement, no
results kept. Used only where `REDIS_URL` is set; the tables must then be in PostgreSQL.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from adapter import logs, runtime, work
from adapter.config import Config
from adapter.runtime import Adapter
from adapter.stores import facilities, migrate, watch

log = structlog.get_logger(__name__)

RUN_DUE = "adapter.run_due"
SWEEP = "adapter.sweep"
QUEUE = "abdm-adapter"

SEND_SECONDS = 0.2
#: After a failed send the own thread works alone for so long, and no callback waits for Redis.
REST_SECONDS = 5.0
#: A wake-up nobody took in this time is worth nothing: workers look each second.
EXPIRE_SECONDS = 60
CONCURRENCY = 4


def create(config: Config, **transport: Any) -> Celery:
    """The Celery application over REDIS_URL; `transport`: kombu's options for this connection."""
    app = Celery("abdm-adapter", broker=config.redis_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        broker_transport_options={"visibility_timeout": 7200, **transport},
        broker_connection_retry_on_startup=True,
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
    )
    return app


class Waker:
    """Wakes the worker processes of other machines; with Redis away, works in a thread of its own.

    The same three methods as `work.EmbeddedWorker`.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._app = create(
            adapter.config,
            socket_connect_timeout=SEND_SECONDS,
            socket_timeout=SEND_SECONDS,
            max_retries=0,
        )
        self._own = work.EmbeddedWorker(adapter)
        self._rest_until = 0.0
        self._sending = threading.Lock()

    def start(self) -> None:
        """Nothing to start: the own threads begin when Redis fails for the first time."""

    def wake(self) -> None:
        """Something may be due: tell the workers, without retry, for 0.2 s at most; else own."""
        if monotonic() >= self._rest_until:
            try:
                with self._sending:
                    self._app.send_task(RUN_DUE, retry=False, expires=EXPIRE_SECONDS)
            except (OperationalError, RedisError, OSError) as error:
                self._rest_until = monotonic() + REST_SECONDS
                log.warning("Redis cannot be reached: working here", error=type(error).__name__)
            else:
                return
        self._own.start()
        self._own.wake()

    def stop(self, timeout: float = 10.0) -> None:
        """Let the own threads finish their rows."""
        self._own.stop(timeout)


def run_worker(config: Config) -> None:
    """Run a worker process until SIGTERM or SIGINT: its own threads, and Celery's tasks.

    Migrates first. The threads alone do everything within a second; the tasks make it at once.
    """
    logs.configure(config.log_level)
    adapter = runtime.build(config)
    migrate.upgrade(adapter.db)
    with adapter.db.transaction() as tx:
        facilities.sync(tx, config)
        watch.prepare(tx, adapter.clock(), watching=config.watch_records)
    threads = work.EmbeddedWorker(adapter)
    threads.start()
    log.info("worker ready")
    try:
        consume(replace(adapter, wake=threads.wake))
    finally:
        threads.stop()
        adapter.db.close()


def consume(adapter: Adapter) -> None:
    """Consume the queue in this process, with threads, so that all share one adapter. Blocks."""
    app = create(adapter.config)

    @app.task(name=RUN_DUE)
    def run_due() -> None:
        work.run_due(adapter)

    @app.task(name=SWEEP)
    def sweep() -> None:
        work.sweep(adapter)

    app.Worker(
        pool_cls="threads",
        concurrency=CONCURRENCY,
        without_mingle=True,
        without_gossip=True,
        loglevel=adapter.config.log_level,
    ).start()
