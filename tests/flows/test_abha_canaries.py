"""Aadhaar numbers and one-time passwords are nowhere but, encrypted, at ABDM.

Everything the adapter keeps or says is searched for planted numbers: every row of every table on a
real PostgreSQL, sealed columns opened, all of a real Redis, logs at their most talkative, metrics,
and every answer to the hospital's system.
"""

import io
import json
import logging
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import structlog
from cryptography.fernet import Fernet, InvalidToken
from prometheus_client import generate_latest
from pydantic import SecretStr

from adapter import logs
from adapter.app import create_app
from adapter.celery_app import Waker
from adapter.config import ApiKey
from adapter.crypto.sealing import generate_seal_key
from adapter.runtime import system_clock
from adapter.stores.db import metadata
from conformance.simulator.server import RunningSimulator
from tests import rig
from tests.flows.abha import KEY, Front, Person, fresh_numbers, new_mobile
from tests.flows.test_abha_enrolment import other_than

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

GENERATIONS = ("v3", "v0.5")
SEAL = generate_seal_key()


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def said_in_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything logged; logging as it was afterwards."""
    caught = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", caught)
    logs.configure("DEBUG")
    structlog.configure(cache_logger_on_first_use=False)
    yield caught
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def talkative(
    database_url: str,
    redis_url: str,
    hapi: Any,
    abdm: RunningSimulator,
    said_in_log: io.StringIO,
    generation: str,
) -> Iterator[Front]:
    """The desk over PostgreSQL, waking other processes through Redis, logging everything."""
    abdm.client.reset()
    fresh_numbers(abdm)
    redis.Redis.from_url(redis_url).flushdb()
    hfr_id = rig.HIP_ID
    abdm.client.add_bridge("SBX_000001", "secret-of-a-test", "http://127.0.0.1:9")
    abdm.client.add_service(hfr_id, "Hospital of a Test", ["HIP", "HIU"], "SBX_000001")
    adapter = rig.adapter_over(
        database_url,
        system_clock,
        abdm_facilities=hfr_id,
        abdm_url=abdm.base_url,
        abha_url=abdm.base_url,
        health_service_api_url=f"{abdm.base_url}/healthid/api",
        abdm_api_version=generation,
        fhir_base_url=hapi.base_url,
        fhir_token=hapi.token,
        redis_url=redis_url,
        seal_keys=SEAL,
        hims_api_keys=(ApiKey(SecretStr(KEY), None),),
    )
    waker = Waker(adapter)
    awake = replace(adapter, wake=waker.wake)
    yield Front(awake, create_app(awake).test_client(), abdm, generation)
    waker.stop()
    adapter.db.close()


def test_planted_numbers_are_found_nowhere(
    talkative: Front, redis_url: str, said_in_log: io.StringIO
) -> None:
    front = talkative
    said: list[str] = []
    secrets: set[str] = set()

    def post(path: str, status: int, **body: Any) -> Any:
        answer = front.call("POST", path, body)
        assert answer.status_code == status, answer.json
        said.append(answer.get_data(as_text=True))
        return answer.json

    def otp(mobile: str) -> str:
        secrets.add(front.otp(mobile))
        return front.otp(mobile)

    # Every step of a creation fails once.
    person, other = front.person(), new_mobile()
    secrets |= {person.aadhaar, f"{person.aadhaar[:4]} {person.aadhaar[4:8]} {person.aadhaar[8:]}"}
    create = {"v3": _found_and_created, "v0.5": _created_in_steps}[front.generation]
    create(front, person, other, post, otp, secrets)

    # One that stops half way: its ciphertext waits, and no more.
    waiting = front.person()
    secrets.add(waiting.aadhaar)
    post("/abha/enrolments", 200, aadhaar=waiting.aadhaar, consent=front.consent)
    otp(waiting.mobile)
    post(
        "/abha/enrolments",
        400,
        aadhaar=other_than(waiting.aadhaar).zfill(12),
        consent=front.consent,
    )

    kept = {
        "database": "\n".join(_rows(front)),
        "redis": "\n".join(_everything(redis_url)),
        "logs": said_in_log.getvalue(),
        "metrics": generate_latest().decode(),
        "answers": "\n".join(said),
    }
    assert "abha_transaction" in kept["database"]
    assert "run_due" in kept["redis"]
    assert "/hims/v1/abha/enrolments" in kept["logs"]
    assert "abdm_service_calls_total" in kept["metrics"]
    found = {
        place for place, text in kept.items() for secret in secrets if _stands_in(secret, text)
    }
    assert found == set()


Post = Callable[..., Any]
Otp = Callable[[str], str]


def _found_and_created(
    front: Front, person: Person, other: str, post: Post, otp: Otp, secrets: set[str]
) -> None:
    """An Aadhaar number without ABHA goes on to creation."""
    login = {"by": "aadhaar", "value": person.aadhaar, "otp_to": "aadhaar"}
    front.abdm.fault("server-error", message="AbhaLoginOtp", times=1)
    post("/abha/logins", 503, **login)
    begun = post("/abha/logins", 200, **login)
    path = f"/abha/transactions/{begun['id']}"
    wrong = other_than(otp(person.mobile))
    secrets.add(wrong)
    post(f"{path}/verify", 422, otp=wrong)
    post(f"{path}/verify", 200, otp=otp(person.mobile))
    front.abdm.fault("uidai", message="AbhaEnrolOtp", times=1)
    post(f"{path}/enrol", 422, consent=front.consent)
    post(f"{path}/enrol", 200, consent=front.consent)
    front.abdm.fault("reset", message="AbhaEnrol", times=1)
    post(f"{path}/verify", 503, otp=otp(person.mobile), mobile=other)
    post(f"{path}/verify", 409, otp=otp(person.mobile), mobile=other)
    post(f"{path}/otp", 200)
    post(f"{path}/verify", 200, otp=otp(person.mobile), mobile=other)
    post(f"{path}/mobile", 200)
    post(f"{path}/mobile/verify", 200, otp=otp(other))
    post(f"{path}/link", 200)


def _created_in_steps(
    front: Front, person: Person, other: str, post: Post, otp: Otp, secrets: set[str]
) -> None:
    """The Aadhaar OTP first, then the mobile number's, then the account."""
    front.abdm.fault("server-error", message="HealthIdAadhaarOtp", times=1)
    post("/abha/enrolments", 503, aadhaar=person.aadhaar, consent=front.consent)
    begun = post("/abha/enrolments", 200, aadhaar=person.aadhaar, consent=front.consent)
    path = f"/abha/transactions/{begun['id']}"
    wrong = other_than(otp(person.mobile))
    secrets.add(wrong)
    post(f"{path}/verify", 422, otp=wrong, mobile=other)
    front.abdm.fault("reset", message="HealthIdVerifyAadhaar", times=1)
    post(f"{path}/verify", 503, otp=otp(person.mobile), mobile=other)
    post(f"{path}/verify", 409, otp=otp(person.mobile), mobile=other)
    post(f"{path}/otp", 200)
    front.abdm.fault("server-error", message="HealthIdCheckMobile", times=1)
    post(f"{path}/verify", 503, otp=otp(person.mobile), mobile=other)
    post(f"{path}/profile", 200)
    front.abdm.fault("server-error", message="HealthIdCreate", times=1)
    post(f"{path}/mobile/verify", 503, otp=otp(other))
    post(f"{path}/profile", 200)
    post(f"{path}/link", 200)


def _stands_in(secret: str, text: str) -> bool:
    """As a number of its own: six digits may stand inside a longer one, or a time, by chance."""
    at = text.find(secret)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(secret) : at + len(secret) + 1]
        inside = (before + after).strip().isalnum() or before == "."
        if len(secret) > 6 or not inside:
            return True
        at = text.find(secret, at + 1)
    return False


def _rows(front: Front) -> Iterator[str]:
    """Every value of every row, sealed ones opened, under the table's name."""
    with front.adapter.db.reading() as tx:
        for table in metadata.sorted_tables:
            for row in tx.execute(sa.select(table)):
                yield f"{table.name} " + " ".join(_text(value) for value in row)


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        try:
            return Fernet(SEAL).decrypt(raw).decode(errors="replace")
        except InvalidToken:
            return raw.decode(errors="replace")
    return json.dumps(value, default=str)


def _everything(redis_url: str) -> Iterator[str]:
    """All of Redis, whatever its kind."""
    server = redis.Redis.from_url(redis_url)
    for key in server.scan_iter():
        kind = server.type(key)
        if kind == b"list":
            values = server.lrange(key, 0, -1)
        elif kind == b"set":
            values = list(server.smembers(key))
        elif kind == b"hash":
            values = [part for pair in server.hgetall(key).items() for part in pair]
        elif kind == b"zset":
            values = server.zrange(key, 0, -1)
        else:
            values = [server.get(key) or b""]
        for each in (key, *values):
            text = each.decode(errors="replace")
            yield text
            # Celery's bodies are base64 inside JSON.
            if '"body"' in text:
                yield b64decode(json.loads(text)["body"]).decode(errors="replace")
