"""Hands one-time passwords to the hospital's own message service (`OTP_URL`).

One POST of `{"to", "text", "purpose"}`. The number and the text are in that body and nowhere else:
not in exceptions, logs or metrics. Does not decide whom to send what.
"""

from __future__ import annotations

import orjson

from adapter.protocol.errors import OtpNotSent, Rejected, RetryLater
from adapter.upstream import http

_WHO = "The message service of OTP_URL"


class OtpSender:
    """A client of `url`; an empty one means that no one-time password can be sent."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = http.session(url)

    def send(self, mobile: str, text: str) -> None:
        """Hand `text` over for delivery to `mobile`.

        Raises OtpNotSent when no service is configured, RetryLater when it cannot be reached or is
        failing, Rejected when it refuses.
        """
        if not self._url:
            raise OtpNotSent(
                "OTP_URL is not set, so no one-time password can be sent; set it to the address "
                "of the hospital's message service."
            )
        body = orjson.dumps({"to": mobile, "text": text, "purpose": "care-context-link"})
        headers = {"Content-Type": "application/json"}
        answer = http.call(self._http, _WHO, "POST", self._url, headers=headers, body=body)
        if 200 <= answer.status < 300:
            return
        sentence = f"{_WHO} answered HTTP {answer.status}."
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise RetryLater(sentence, status=answer.status)
        raise Rejected(f"{sentence} Check OTP_URL and its credentials.", status=answer.status)
