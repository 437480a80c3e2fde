"""The floor of the callbacks bench: one Flask view, one committed SQLite insert, 202.

Run by gunicorn with the adapter's own arguments. One connection behind a lock is the quickest way
for the threads of one process: with a connection each they wait for SQLite's lock in sleeps.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from uuid import uuid4

from flask import Flask, Response, request


def create() -> Flask:
    """The application; BARE_DATABASE names the file."""
    app = Flask("bare", static_folder=None)
    sql = sqlite3.connect(
        os.environ["BARE_DATABASE"], isolation_level=None, check_same_thread=False
    )
    sql.execute("PRAGMA journal_mode=WAL")
    sql.execute("PRAGMA synchronous=FULL")
    sql.execute("CREATE TABLE callback (id TEXT PRIMARY KEY, body BLOB)")
    lock = threading.Lock()

    @app.post("/callback")
    def receive() -> Response:
        body = request.get_data(cache=False)
        with lock:
            sql.execute("BEGIN IMMEDIATE")
            sql.execute("INSERT INTO callback VALUES (?, ?)", (str(uuid4()), body))
            sql.execute("COMMIT")
        return Response(status=202)

    @app.get("/healthz")
    def healthy() -> Response:
        return Response(status=200)

    return app
