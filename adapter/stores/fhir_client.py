"""The one way to the FHIR server: fhirpy's synchronous client over one pooled HTTP session.

fhirpy builds URLs and search parameters; the transport is replaced, because its own opens a
connection per request, loses the HTTP status and wraps every object so that large attachments
outlive their use. Every answer becomes a plain dictionary or one of three errors. No error text
holds a URL or a value: both can name a patient.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import orjson
import requests
from fhirpy import SyncFHIRClient
from urllib3.exceptions import HTTPError

from adapter.protocol.errors import FhirConflict, FhirRejected, FhirUnavailable, FhirUncertain
from adapter.upstream import http

CONNECT_SECONDS = 3
READ_SECONDS = 30
#: What is sent is read, indexed and stored before the answer: so many bytes more take a second.
BYTES_A_SECOND = 1_000_000
#: Entries a page; `_count` is a wish to the server, the `next` links decide.
PAGE = 200

Json = dict[str, Any]
Parameters = Mapping[str, str | list[str]]

_TOO_SLOW = "The FHIR server did not answer in time."
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]")
_LONG_NUMBER = re.compile(r"\d[\d -]{6,}\d")


class NotThere(FhirRejected):
    """404 or 410: no such resource, or deleted."""


class Client(SyncFHIRClient):
    """Sends one request and says by its exception what went wrong."""

    def __init__(self, base_url: str, token: str) -> None:
        super().__init__(
            base_url.rstrip("/"),
            authorization=f"Bearer {token}" if token else None,
            # HAPI may answer a search from a minute-old one unless told not to.
            extra_headers={"Cache-Control": "no-cache"},
        )
        self._http = http.session(self.url)
        #: When answers are worth nothing any more (of `time.monotonic`), None: never.
        self._until: float | None = None

    def within(self, seconds: float) -> Client:
        """The same client for work that has to be done in so many seconds: a call that does not end
        by then raises FhirUnavailable, and so do all after it."""
        made = copy(self)
        made._until = time.monotonic() + seconds
        return made

    def _do_request(
        self,
        method: str,
        path: str,
        data: Json | None = None,
        params: Parameters | None = None,
        extra_headers: Mapping[str, str] | None = None,
        *,
        returning_status: bool = False,
    ) -> Any:
        """fhirpy's hook: every call of the client goes through here.

        Raises NotThere (404, 410), FhirRejected (another 4xx), FhirUnavailable (no answer, 5xx, a
        busy server, or a refused token, which waits for the operator).
        """
        headers = {**self._build_request_headers(), **(extra_headers or {})}
        body = None
        if data is not None:
            body = orjson.dumps(data)
            headers["Content-Type"] = "application/fhir+json"
        status, content = self._exchange(
            method, self._build_request_url(path, params), headers, body
        )
        answer = _parsed(content)
        return (answer, status) if returning_status else answer

    def search(self, resource_type: str, params: Parameters) -> Iterator[Json]:
        """Every resource of a search, matches and included ones; raises as `pages`."""
        for page in self.pages(resource_type, params):
            yield from resources_of(page)

    def pages(self, resource_type: str, params: Parameters) -> Iterator[Json]:
        """The searchset Bundles of a search, one after the other.

        The parameters travel in the body (`_search`), never in a URL that a log would keep. Raises
        as `_do_request`, and FhirRejected for a `next` link that leaves the base URL.
        """
        headers = self._build_request_headers()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        # fhirpy's own encoding of parameters; only their place is another.
        form = self._build_request_url("x", params).partition("?")[2].encode()
        url = f"{self.url}/{resource_type}/_search"
        page = _parsed(self._exchange("post", url, headers, form)[1])
        while True:
            if not isinstance(page, dict) or page.get("resourceType") != "Bundle":
                raise FhirUnavailable("The FHIR server answered a search with no Bundle.")
            yield page
            following = next(
                (link["url"] for link in page.get("link", ()) if link["relation"] == "next"), None
            )
            if following is None:
                return
            page = self._do_request("get", self._own(following))

    def reread(self, known: Json) -> Json:
        """A resource as it stands now: `known` itself where the server says that it is unchanged.

        A conditional read (R4, "ETag" and If-None-Match): the server looks, and sends nothing it
        need not. One that knows no conditional reads sends the resource. Raises as `_do_request`.
        """
        headers = self._build_request_headers()
        headers["If-None-Match"] = f'W/"{known["meta"]["versionId"]}"'
        url = f"{self.url}/{known['resourceType']}/{known['id']}"
        status, content = self._exchange("get", url, headers, None, also=(304,))
        return known if status == 304 else _parsed(content)

    def content(self, name: str) -> bytes | None:
        """What a Binary (`Binary/abc`) holds, not as FHIR; None where there is none.

        R4, "Serving Binary Resources using the RESTful API". Raises as `_do_request`.
        """
        headers = {**self._build_request_headers(), "Accept": "*/*"}
        try:
            return self._exchange("get", f"{self.url}/{name}", headers, None)[1]
        except NotThere:
            return None

    def validate(self, resource: Json) -> Json:
        """The OperationOutcome of `$validate`; HAPI answers 412 or 422 where it has errors."""
        url = f"{self.url}/{resource['resourceType']}/$validate"
        headers = {**self._build_request_headers(), "Content-Type": "application/fhir+json"}
        body = orjson.dumps(resource)
        outcome = _parsed(self._exchange("post", url, headers, body, also=(400, 412, 422))[1])
        if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
            raise FhirUnavailable("The FHIR server answered a validation with no OperationOutcome.")
        return outcome

    def _own(self, url: str) -> str:
        if not url.startswith((f"{self.url}/", f"{self.url}?")):
            raise FhirRejected(
                "The FHIR server's next-page link leads away from FHIR_BASE_URL and was not "
                "followed. Set the server's own address to FHIR_BASE_URL."
            )
        return url

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        also: tuple[int, ...] = (),
    ) -> tuple[int, bytes]:
        patience = float(READ_SECONDS + len(body or b"") // BYTES_A_SECOND)
        left = patience if self._until is None else self._until - time.monotonic()
        if left <= 0:
            raise FhirUnavailable(_TOO_SLOW)
        try:
            answer = self._http.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, left), min(patience, left)),
                stream=self._until is not None,
            )
            content = answer.content if self._until is None else self._in_time(answer)
        except requests.ReadTimeout:
            raise FhirUncertain(_TOO_SLOW) from None
        except requests.Timeout:
            raise FhirUnavailable(_TOO_SLOW) from None
        except (requests.RequestException, HTTPError, OSError):
            raise FhirUnavailable(
                "The FHIR server cannot be reached; check FHIR_BASE_URL and that it runs."
            ) from None
        if 200 <= answer.status_code < 300 or answer.status_code in also:
            return answer.status_code, content
        raise _error(answer.status_code, content)

    def _in_time(self, answer: requests.Response) -> bytes:
        """The content, unless it trickles in for longer than there is time."""
        parts = []
        with answer:
            # One read at a time, each with the time that is left: the time-out of `requests` is for
            # one read, and there may be any number.
            while True:
                left = (self._until or 0.0) - time.monotonic()
                if left <= 0:
                    raise FhirUnavailable(_TOO_SLOW)
                if answer.raw.connection is not None:
                    answer.raw.connection.sock.settimeout(left)
                part = answer.raw.read1(decode_content=True)
                if not part:
                    break
                parts.append(part)
        return b"".join(parts)


def resources_of(page: Json) -> Iterator[Json]:
    """The resources of one page of a search."""
    for entry in page.get("entry", ()):
        if isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _parsed(content: bytes) -> Any:
    if not content:
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise FhirUnavailable("The FHIR server answered with something that is no JSON.") from None


def _error(status: int, content: bytes) -> FhirUnavailable | FhirRejected:
    if status in (404, 410):
        return NotThere("The FHIR server has no such resource.")
    if status in (401, 403):
        return FhirUnavailable(
            f"The FHIR server refused our token (HTTP {status}); check FHIR_TOKEN."
        )
    # Two writers met on one resource; the next attempt finds the other's version.
    if status in (409, 412):
        return FhirConflict(f"The FHIR server answered HTTP {status}.")
    if status >= 500 or status in (408, 425, 429):
        return FhirUnavailable(f"The FHIR server answered HTTP {status}.")
    return FhirRejected(f"The FHIR server refused this (HTTP {status}): {_diagnostics(content)}")


def _diagnostics(content: bytes) -> str:
    """What the server complains about, without the values it quotes, at most 300 characters."""
    try:
        issues = orjson.loads(content)["issue"]
        texts = [str(issue.get("diagnostics") or issue["code"]) for issue in issues]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "no reason given."
    text = "; ".join(_LONG_NUMBER.sub("…", _QUOTED.sub("…", text)) for text in texts)
    return text[:300]
