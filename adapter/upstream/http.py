"""What every call to a configured service shares: time-outs, no redirects, bounded answers.

For addresses an operator configured; an address that a stranger names goes through `push.py`. No
exception text of `requests` leaves here: it holds URLs, and a URL may hold a credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import HTTPError

from adapter.protocol.errors import RetryLater

CONNECT_SECONDS = 3
READ_SECONDS = 10
LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Status, headers (any case) and the body, cut at the largest size asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after(self, now: datetime) -> timedelta | None:
        """The Retry-After header, in seconds or as a date; None where absent or unreadable."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return timedelta(seconds=min(int(text), 86400))
        when = http_date(text)
        return max(when - now, timedelta()) if when else None


def http_date(text: str) -> datetime | None:
    """An HTTP date as an aware time, None where it is none."""
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def session(base_url: str) -> requests.Session:
    """A session for one service, usable by several threads.

    It keeps no cookies and takes no password from a `.netrc`. The proxy of the environment is used,
    for a hospital's way out, except for this machine itself.
    """
    made = requests.Session()
    user, password = requests.utils.get_auth_from_url(base_url)
    made.auth = (user, password) if user or password else _as_it_is
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1"):
        made.trust_env = False
    adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=16)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def call(
    through: requests.Session,
    who: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    read_seconds: float = READ_SECONDS,
    largest: int = LARGEST_ANSWER,
) -> Answer:
    """One request and its answer, whatever the status. `who` names the service to the operator;
    the answer is cut at `largest` bytes.

    Raises RetryLater when no answer came.
    """
    try:
        with through.request(
            method,
            url,
            headers=dict(headers),
            data=body,
            timeout=(CONNECT_SECONDS, read_seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            content = response.raw.read(largest, decode_content=True) or b""
            return Answer(response.status_code, response.headers, content)
    except exceptions.SSLError:
        raise RetryLater(
            f"{who} showed a certificate that cannot be verified; check its address and this "
            "machine's certificate authorities."
        ) from None
    except exceptions.Timeout:
        raise RetryLater(f"{who} did not answer in time.") from None
    except (exceptions.RequestException, HTTPError, OSError):
        # HTTPError: urllib3's own, while the body is read.
        raise RetryLater(
            f"{who} cannot be reached; check its address and this machine's network."
        ) from None
