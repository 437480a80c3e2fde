"""The ABDM gateway: session tokens, key sets, one attempt at sending one message.

Each generation of its interface has a session and a key set of its own; which one a message needs
is its dialect's business.

`send` makes exactly one HTTP attempt and says by its exception what the answer means; repeating is
the outbox's business, which stores each attempt's REQUEST-ID before it leaves. The token stays in
memory. No exception text holds a secret or a person's data (`refusals.masked`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from adapter import metrics
from adapter.config import Config
from adapter.protocol import ids, routes, timestamps
from adapter.protocol.errors import ClockRejected, RetryLater, SessionExpired, UpstreamError
from adapter.protocol.messages import Envelope
from adapter.protocol.refusals import reaction, read_refusal
from adapter.protocol.wire import Outbound
from adapter.upstream import http
from adapter.upstream.keys import KeySet

RENEW_BEFORE = timedelta(seconds=30)
# A token that says nothing of its life: v0.5's, the shortest in use.
DEFAULT_LIFE_SECONDS = 600

_WHO = "The gateway"


class Gateway:
    """One client of the gateway for the whole process; every method may be called by any thread."""

    def __init__(self, config: Config, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self._http = http.session(config.abdm_url)
        self._session_lock = threading.Lock()
        self._sessions: dict[str, tuple[str, datetime]] = {}
        self.clock_offset: timedelta | None = None
        """The gateway's clock less ours, from the Date header of its latest answer."""
        self._keys = {
            each: KeySet(partial(self._fetch_keys, each), clock) for each in config.api_versions
        }

    @property
    def keys(self) -> KeySet:
        """The keys of the generation that is used where nothing else is said."""
        return self._keys[self._config.abdm_api_version]

    def keys_of(self, generation: str) -> KeySet:
        """The keys that sign the callbacks of `generation`. Raises KeyError for one not in use."""
        return self._keys[generation]

    def prefetch_keys(self) -> None:
        """Fetch all keys in the background, so that the first callback finds them."""
        for keys in self._keys.values():
            keys.prefetch()

    def send(self, route: Outbound, envelope: Envelope, message: Any, request_id: str) -> None:
        """One attempt at delivering `message` under the REQUEST-ID `request_id`.

        Returns when the gateway took it, which is not yet success where a callback answers it.
        Raises SessionExpired (token dropped: make one more attempt), RetryLater, AlreadyDone,
        LinkTokenRefused, ClockRejected or Rejected.
        """
        name = route.message.__name__
        dialect = routes.dialect_of(envelope.dialect)
        wire = route.encode(envelope, message)
        wire = routes.enveloped(envelope.dialect, wire, request_id, self._clock())
        try:
            token = self.session_token(dialect.generation)
            headers = {"X-CM-ID": self._config.x_cm_id} | wire.headers
            headers["Authorization"] = f"Bearer {token}"
            answer = self._call(route.method, route.path, headers, wire.body)
            if answer.status not in route.accepts:
                raise self._refused(name, answer, token)
        except UpstreamError as error:
            metrics.GATEWAY_CALLS.labels(name, type(error).__name__).inc()
            raise
        metrics.GATEWAY_CALLS.labels(name, "accepted").inc()

    def session_token(self, generation: str | None = None) -> str:
        """A bearer token with at least 30 s left; fetched once, however many threads ask.

        `generation`: whose token, ABDM_API_VERSION's where none is named.
        Raises RetryLater, also when the credentials are refused: messages wait for the operator to
        correct them, until their deadlines.
        """
        generation = generation or self._config.abdm_api_version
        with self._session_lock:
            present = self._sessions.get(generation)
            if present is None or self._clock() >= present[1]:
                # Gone while a new one is asked for: a refused request leaves none.
                self._sessions.pop(generation, None)
                present = self._sessions[generation] = self._new_session(generation)
            return present[0]

    def drop_token(self, token: str) -> None:
        """Forget `token`, unless another thread has replaced it already."""
        with self._session_lock:
            for generation, (known, _) in list(self._sessions.items()):
                if known == token:
                    del self._sessions[generation]

    def _new_session(self, generation: str) -> tuple[str, datetime]:
        body = {
            "clientId": self._config.abdm_client_id,
            "clientSecret": self._config.abdm_client_secret.get_secret_value(),
            "grantType": "client_credentials",
        }
        asked_at = self._clock()
        path = routes.dialect_of(generation).sessions_path
        answer = self._call("POST", path, self._headers(ids.new_request_id()), body)
        if answer.status not in (200, 202):
            error = reaction(
                "SessionRequest",
                read_refusal(answer.body, answer.status),
                status=answer.status,
                retry_after=answer.retry_after(self._clock()),
            )
            sentence = error.sentence
            if not isinstance(error, RetryLater | ClockRejected) and "ABDM_CLIENT" not in sentence:
                sentence += " Check ABDM_CLIENT_ID and ABDM_CLIENT_SECRET."
            after = error.after if isinstance(error, RetryLater) else None
            raise RetryLater(sentence, code=error.code, status=answer.status, after=after)
        data = _json_object(answer.body)
        token, life = data.get("accessToken"), data.get("expiresIn")
        if not isinstance(token, str) or not token or not token.isascii():
            raise RetryLater(f"{_WHO} answered the session request without a token.")
        try:
            seconds = float(life) if life is not None else DEFAULT_LIFE_SECONDS
            return token, asked_at + timedelta(seconds=seconds) - RENEW_BEFORE
        except (TypeError, ValueError, OverflowError):
            return token, asked_at + timedelta(seconds=DEFAULT_LIFE_SECONDS) - RENEW_BEFORE

    def _fetch_keys(self, generation: str) -> dict[str, Any]:
        # The sandbox has answered with and without the token, so it is sent (V3 contract 4).
        token = self.session_token(generation)
        headers = self._headers(ids.new_request_id()) | {"Authorization": f"Bearer {token}"}
        answer = self._call("GET", routes.dialect_of(generation).certs_path, headers, None)
        if answer.status != 200:
            raise self._refused("CertsGet", answer, token)
        return _json_object(answer.body)

    def _headers(self, request_id: str) -> dict[str, str]:
        return {
            "REQUEST-ID": request_id,
            "TIMESTAMP": timestamps.format(self._clock()),
            "X-CM-ID": self._config.x_cm_id,
        }

    def _call(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None
    ) -> http.Answer:
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        answer = http.call(
            self._http,
            _WHO,
            method,
            self._config.abdm_url + path,
            headers=headers,
            body=orjson.dumps(body) if body is not None else None,
        )
        self._note_clock(answer)
        return answer

    def _note_clock(self, answer: http.Answer) -> None:
        theirs = http.http_date(answer.headers.get("Date", ""))
        if theirs is not None and theirs.tzinfo is not None:
            self.clock_offset = theirs - self._clock()
            metrics.CLOCK_OFFSET.set(self.clock_offset.total_seconds())

    def _refused(self, name: str, answer: http.Answer, token: str) -> UpstreamError:
        error = reaction(
            name,
            read_refusal(answer.body, answer.status),
            status=answer.status,
            retry_after=answer.retry_after(self._clock()),
        )
        if answer.status == 401 or isinstance(error, SessionExpired):
            self.drop_token(token)
        if isinstance(error, ClockRejected) and self.clock_offset is not None:
            seconds = round(self.clock_offset.total_seconds())
            sentence = f"{error.sentence} The gateway's clock is {seconds:+d} s from ours."
            return ClockRejected(sentence, code=error.code, status=error.status)
        return error


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise RetryLater(f"{_WHO} answered with something that is no JSON object.")
    return data
