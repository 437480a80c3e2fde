"""The web process: gunicorn calls `create()` in each worker, after the fork.

Migrates, fills the facility table, starts the background work (own threads, or wake-ups by Redis
where REDIS_URL is set) and returns the application. Database connections and threads do not survive
a fork, so nothing here runs at import.
"""

from __future__ import annotations

import atexit
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from flask import Flask

from adapter import logs, runtime, work
from adapter.app import create_app
from adapter.config import Config, ConfigError, load_config
from adapter.stores import facilities, migrate, watch

if TYPE_CHECKING:
    from adapter.celery_app import Waker

log = structlog.get_logger(__name__)

#: The exit code by which a worker tells gunicorn not to start it again (`gunicorn.arbiter`).
APP_LOAD_ERROR = 4


def create(config: Config | None = None) -> Flask:
    """The application with everything behind it running; settings from the environment by default.

    Wrong settings: one sentence for each on standard error, and SystemExit.
    """
    if config is None:
        try:
            config = load_config()
        except ConfigError as error:
            sys.stderr.write("".join(f"Setting: {problem}\n" for problem in error.problems))
            raise SystemExit(APP_LOAD_ERROR) from None
    logs.configure(config.log_level)
    adapter = runtime.build(config)
    migrate.upgrade(adapter.db)
    with adapter.db.transaction() as tx:
        facilities.sync(tx, config)
        watch.prepare(tx, adapter.clock(), watching=config.watch_records)
    worker = _worker(adapter)
    worker.start()
    # What a thread is working on is finished when the process ends; else its lease brings it back.
    atexit.register(worker.stop)
    if config.enable_abdm:
        adapter.gateway.prefetch_keys()
    if config.fidelius_url:
        log.info("FIDELIUS_URL is not needed: encryption happens in this process")
    log.info("adapter ready", abdm=config.enable_abdm, facilities=len(config.abdm_facilities))
    return create_app(replace(adapter, wake=worker.wake))


def _worker(adapter: runtime.Adapter) -> work.EmbeddedWorker | Waker:
    if not adapter.config.redis_url.get_secret_value():
        return work.EmbeddedWorker(adapter)
    # Celery is loaded only where it is used: it takes half a second.
    from adapter.celery_app import Waker

    return Waker(adapter)
