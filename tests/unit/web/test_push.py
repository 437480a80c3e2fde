"""The address where other hospitals push pages: who may, how much, and what is answered."""

import io
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from adapter.app import create_app
from adapter.flows import hiu_transfer
from adapter.protocol.messages import CareContextRef, ConsentArtefact, DateRange, Permission
from adapter.rules.states import HiuArtefactState
from adapter.runtime import Adapter
from adapter.stores import db, hiu_artefacts, outbox_delivery
from adapter.stores.db import incoming_chunk, incoming_page
from tests.rig import HIP_ID, FrozenClock, adapter_over, sqlite_url

ARTEFACT = "00000015-1d2c-4b3a-8f6e-5a4b3c2d1e0f"


class Edge:
    """An adapter that awaits pages under one artefact."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = FrozenClock()
        self.woken = 0
        made = adapter_over(
            sqlite_url(folder), self.clock, public_url="https://hospital.example", **settings
        )
        self.adapter: Adapter = replace(made, wake=self._wake)
        self.app = create_app(self.adapter)
        self.client: FlaskClient = self.app.test_client()
        self.token = self._ask()

    def _wake(self) -> None:
        self.woken += 1

    def _ask(self) -> str:
        now = self.clock()
        ends = now + timedelta(days=30)
        artefact = ConsentArtefact(
            consent_id=ARTEFACT,
            patient_id="asha@sbx",
            care_contexts=(CareContextRef("MRN-1", "visit-1"),),
            purpose_code="CAREMGT",
            purpose_text=None,
            hip_id="IN-OTHER",
            hiu_id=HIP_ID,
            hiu_name=None,
            requester_name=None,
            consent_manager_id="sbx",
            hi_types=("OPConsultation",),
            permission=Permission("VIEW", DateRange(now, now), ends),
            created_at=now,
            verbatim="{}",
        )
        with self.adapter.db.transaction() as tx:
            values = {"state": HiuArtefactState.GRANTED, "due_at": ends, "deadline": ends}
            tx.execute(
                sa.insert(db.hiu_artefact).values(
                    id=ARTEFACT,
                    hiu_id=HIP_ID,
                    hip_id="IN-OTHER",
                    dialect="v3",
                    attempts=0,
                    created_at=now,
                    **values,
                )
            )
            row = hiu_artefacts.by_id(tx, ARTEFACT)
            assert row is not None
            hiu_transfer.request_records(self.adapter, tx, row, artefact)
            body = tx.scalar(sa.select(db.outbox.c.body))
        asked = json.loads(self.adapter.sealer.open(body))
        return str(asked["data_push_url"]).rpartition("/")[2]

    def post(self, body: bytes | Any, token: str | None = None, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(f"/push/{token or self.token}", data=raw, headers=headers)

    def pages(self) -> list[Any]:
        with self.adapter.db.reading() as tx:
            return list(tx.execute(sa.select(incoming_page)))

    def stored(self) -> bytes:
        """The chunks of the only page, in one."""
        with self.adapter.db.reading() as tx:
            rows = tx.execute(sa.select(incoming_chunk).order_by(incoming_chunk.c.n))
            return b"".join(row.data for row in rows)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    made = Edge(tmp_path)
    yield made
    made.adapter.db.close()


def page(content: str = "QUJD", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "pageNumber": 1,
        "pageCount": 1,
        "transactionId": str(uuid.uuid4()),
        "entries": [
            {
                "content": content,
                "media": "application/fhir+json",
                "checksum": "",
                "careContextReference": "visit-1",
            }
        ],
        "keyMaterial": {
            "cryptoAlg": "ECDH",
            "curve": "Curve25519",
            "dhPublicKey": {
                "expiry": "2026-12-31T18:30:00.000Z",
                "parameters": "Curve25519/32byte random key",
                "keyValue": "BBBB",
            },
            "nonce": "AAAA",
        },
    }
    return made | changes


def test_a_page_is_stored_as_it_came_then_answered_and_the_worker_woken(edge: Edge) -> None:
    raw = json.dumps(page("QUJD" * 900_000)).encode()
    answer = edge.post(raw)
    assert (answer.status_code, answer.data) == (202, b"")
    assert edge.stored() == raw
    assert edge.woken == 1
    (row,) = edge.pages()
    assert (row.state, row.size) == ("RECEIVED", len(raw))
    assert len(row.frame) < 1000


def test_no_authorization_is_asked_for_and_any_is_ignored(edge: Edge) -> None:
    assert edge.post(page(), Authorization="Bearer of-somebody").status_code == 202


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/fhir+json"])
def test_peers_may_call_it_what_they_like(edge: Edge, kind: str) -> None:
    assert edge.post(page(), **{"Content-Type": kind}).status_code == 202


def test_an_unknown_token_is_not_found_and_nothing_is_stored(edge: Edge) -> None:
    answer = edge.post(page(), token="x" * 43)
    assert answer.status_code == 404
    assert edge.pages() == []


WRONG = {
    "not JSON": b"{",
    "not JSON, within a text": b'{"entries": "abc',
    "a list": b"[]",
    "empty": b"",
    "no entries": page(entries=[]),
    "entries of another kind": page(entries="none"),
    "no transaction": page(transactionId=None),
    "no number": page(pageNumber=None),
    "a negative number": page(pageNumber=-1),
    "a huge number": page(pageCount=10**9),
    "no key": page(keyMaterial={}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_page_is_refused_with_the_place_and_not_stored(edge: Edge, case: str) -> None:
    answer = edge.post(WRONG[case])
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "ABDM-1031"
    assert edge.pages() == []
    assert edge.woken == 0


def test_a_page_above_the_limit_is_refused_also_without_a_stated_length(tmp_path: Path) -> None:
    edge = Edge(tmp_path, max_page_bytes=100_000)
    large = json.dumps(page("QUJD" * 50_000)).encode()
    answer = edge.post(large)
    assert answer.status_code == 413
    assert "MAX_PAGE_BYTES" in answer.get_json()["error"]["message"]
    answer = edge.client.post(
        f"/push/{edge.token}",
        input_stream=io.BytesIO(large),
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413
    assert edge.pages() == []
    assert edge.post(page()).status_code == 202


def test_the_limit_for_callbacks_is_not_the_limit_for_pages(tmp_path: Path) -> None:
    edge = Edge(tmp_path, max_callback_bytes=2000)
    assert edge.post(page("QUJD" * 5_000)).status_code == 202


def test_the_same_bytes_are_one_page_and_other_bytes_one_more(edge: Edge) -> None:
    first = json.dumps(page()).encode()
    assert [edge.post(first).status_code for _ in range(3)] == [202] * 3
    assert len(edge.pages()) == 1
    assert edge.post(page("REVG")).status_code == 202
    assert len(edge.pages()) == 2


def test_the_same_page_at_the_same_moment_is_stored_once(edge: Edge) -> None:
    raw = json.dumps(page("QUJD" * 500_000)).encode()
    codes: list[int] = []

    def send() -> None:
        codes.append(edge.app.test_client().post(f"/push/{edge.token}", data=raw).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [202] * 4
    assert len(edge.pages()) == 1
    assert edge.stored() == raw


@pytest.mark.parametrize("state", [HiuArtefactState.REVOKED, HiuArtefactState.EXPIRED])
def test_once_the_consent_has_ended_pages_are_gone(edge: Edge, state: HiuArtefactState) -> None:
    with edge.adapter.db.transaction() as tx:
        tx.execute(sa.update(db.hiu_artefact).values(state=state))
    answer = edge.post(page())
    assert answer.status_code == 410
    assert "ended" in answer.get_json()["error"]["message"]
    assert edge.pages() == []


@contextmanager
def sending(edge: Edge, raw: bytes) -> Iterator[socket.socket]:
    """A connection over which the first half of a page has been sent."""
    server = make_server("127.0.0.1", 0, edge.app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port)) as line:
            head = f"POST /push/{edge.token} HTTP/1.1\r\nHost: x\r\n"
            length = f"Content-Length: {len(raw)}\r\n\r\n"
            line.sendall(f"{head}{length}".encode() + raw[: len(raw) // 2])
            yield line
    finally:
        server.shutdown()
        server.server_close()


def test_a_consent_that_ends_while_the_body_arrives_keeps_the_page_out(edge: Edge) -> None:
    raw = json.dumps(page("QUJD" * 1_000_000)).encode()
    with sending(edge, raw) as line:
        with edge.adapter.db.transaction() as tx:
            tx.execute(sa.update(db.hiu_artefact).values(state=HiuArtefactState.REVOKED))
        line.sendall(raw[len(raw) // 2 :])
        assert b" 410 " in line.recv(1000).split(b"\r\n")[0]
    assert edge.pages() == []


def test_a_slow_sender_holds_no_lock_and_one_that_breaks_off_leaves_nothing(edge: Edge) -> None:
    with sending(edge, json.dumps(page("QUJD" * 10_000)).encode()) as line:
        assert edge.post(page("REVG")).status_code == 202
        with edge.adapter.db.transaction() as tx:
            assert outbox_delivery.overdue(tx, edge.clock()) == []
        line.shutdown(socket.SHUT_WR)
        assert b" 400 " in line.recv(1000).split(b"\r\n")[0]
    assert len(edge.pages()) == 1


def test_the_token_stands_in_no_log(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    edge.post(page())
    edge.post(b"{")
    edge.client.get(f"/push/{edge.token}")
    captured = capsys.readouterr()
    assert "/push/<token>" in captured.out + captured.err
    assert edge.token not in captured.out + captured.err
