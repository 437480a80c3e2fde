"""Hands one-time passwords to the hospital's own message service (`OTP_URL` and its template).

Without a template one POST of `{"to", "text", "purpose"}`. `OTP_METHOD`, `OTP_HEADERS`, `OTP_BODY`
and the address itself fit it to any provider: `{mobile}`, `{otp}` and `{text}` stand for the
values, escaped as the place needs it. Number, password and text are in that request and nowhere
else: not in exceptions, logs or metrics. Does not decide whom to send what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import orjson

from adapter.protocol.errors import OtpNotSent, Rejected, RetryLater
from adapter.upstream import http

_WHO = "The message service of OTP_URL"
_PLACE = re.compile(r"\{(mobile|otp|text)\}")
_JSON = "application/json"


@dataclass(frozen=True)
class Template:
    """How the service wants to be called. `body`: "" for our own JSON (POST), or none at all (GET);
    `headers` hold its credentials. Never log."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class OtpSender:
    """A client of `template`; an empty address means that no one-time password can be sent."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._http = http.session(template.url)

    def send(self, mobile: str, text: str, otp: str = "") -> None:
        """Hand `text`, which holds the one-time password `otp`, over for delivery to `mobile`.

        Raises OtpNotSent when no service is configured, RetryLater when it cannot be reached or is
        failing, Rejected when it refuses.
        """
        template = self._template
        if not template.url:
            raise OtpNotSent(
                "OTP_URL is not set, so no one-time password can be sent; set it to the address "
                "of the hospital's message service."
            )
        values = {"mobile": mobile, "text": text, "otp": otp}
        body = self._body(values)
        headers = dict(template.headers)
        if body is not None and not _content_type(headers):
            headers["Content-Type"] = _JSON
        url = _filled(template.url, values, lambda value: quote(value, safe=""))
        answer = http.call(self._http, _WHO, template.method, url, headers=headers, body=body)
        if 200 <= answer.status < 300:
            return
        sentence = f"{_WHO} answered HTTP {answer.status}."
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise RetryLater(sentence, status=answer.status)
        raise Rejected(f"{sentence} Check OTP_URL, OTP_HEADERS and OTP_BODY.", status=answer.status)

    def _body(self, values: Mapping[str, str]) -> bytes | None:
        template = self._template
        if template.body:
            kind = _content_type(template.headers)
            return _filled(template.body, values, _escape(kind or _JSON)).encode()
        if template.method == "GET":
            return None
        told = {"to": values["mobile"], "text": values["text"], "purpose": "care-context-link"}
        return orjson.dumps(told)


def _content_type(headers: Mapping[str, str]) -> str:
    return next((v for name, v in headers.items() if name.lower() == "content-type"), "")


def _escape(content_type: str) -> Callable[[str], str]:
    if "json" in content_type.lower():
        return lambda value: orjson.dumps(value).decode()[1:-1]
    if "urlencoded" in content_type.lower():
        return quote_plus
    return lambda value: value


def _filled(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """The template with its places filled, in one pass: no value can bring a place along."""
    return _PLACE.sub(lambda place: escape(values[place[1]]), template)
