"""One call to a service of ABDM that takes the gateway's session token, and what its answer means.

For the registry and the ABHA service, which answer at once and are called by name; protocol
messages leave through the outbox. A refused session token is renewed and the call made once more,
under a REQUEST-ID of its own. No exception text holds a secret or a person's data.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import orjson

from adapter import metrics
from adapter.protocol import ids, timestamps
from adapter.protocol.errors import RetryLater, SessionExpired, UpstreamError
from adapter.upstream import http
from adapter.upstream.gateway import Gateway

#: A card or a photo is larger than any message.
LARGEST_ANSWER = 8 * 1024 * 1024
READ_SECONDS = 20.0

Judge = Callable[[str, http.Answer, datetime], UpstreamError]


class Service:
    """`who` names the service to the operator; `judge` says what a refusal of it means.

    `generation`: whose session it takes; services of V3's time take V3's, whatever the facilities
    speak.
    """

    def __init__(
        self,
        who: str,
        base_url: str,
        *,
        cm_id: str,
        gateway: Gateway,
        clock: Callable[[], datetime],
        judge: Judge,
        generation: str = "v3",
    ) -> None:
        self.who = who
        self._base_url = base_url
        self._cm_id = cm_id
        self._gateway = gateway
        self._clock = clock
        self._judge = judge
        self._generation = generation
        self._http = http.session(base_url)

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        accepts: Collection[int] = (200, 202),
    ) -> http.Answer:
        """The answer of a call that the service took. `operation` names it in errors and metrics.

        Raises UpstreamError: what `judge` makes of a refusal, RetryLater when no answer came.
        """
        try:
            try:
                answer = self._once(operation, method, path, body, headers or {}, accepts)
            except SessionExpired:
                answer = self._once(operation, method, path, body, headers or {}, accepts)
        except UpstreamError as error:
            metrics.SERVICE_CALLS.labels(operation, type(error).__name__).inc()
            raise
        metrics.SERVICE_CALLS.labels(operation, "accepted").inc()
        return answer

    def json(self, answer: http.Answer) -> Any:
        """The answer's JSON. Raises RetryLater where it is none."""
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise RetryLater(f"{self.who} answered with something that is no JSON.") from None

    def _once(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        accepts: Collection[int],
    ) -> http.Answer:
        token = self._gateway.session_token(self._generation)
        sent = {
            "REQUEST-ID": ids.new_request_id(),
            "TIMESTAMP": timestamps.format(self._clock()),
            "X-CM-ID": self._cm_id,
            "Authorization": f"Bearer {token}",
            **headers,
        }
        if body is not None:
            sent["Content-Type"] = "application/json"
        answer = http.call(
            self._http,
            self.who,
            method,
            self._base_url + path,
            headers=sent,
            body=orjson.dumps(body) if body is not None else None,
            read_seconds=READ_SECONDS,
            largest=LARGEST_ANSWER,
        )
        if answer.status in accepts:
            return answer
        error = self._judge(operation, answer, self._clock())
        if isinstance(error, SessionExpired):
            self._gateway.drop_token(token)
        raise error
