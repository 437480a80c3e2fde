"""The guarded client for `dataPushUrl`: pages of ciphertext go to an address a stranger named.

Every push resolves and judges the address again (`addresses.py`), connects to that very address
with the certificate checked for the host name, follows no redirect, uses no proxy, and ends after
TOTAL_SECONDS whatever the receiver does. Our gateway token goes to nobody by default; see `push`.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse

import certifi
import structlog

from adapter import metrics
from adapter.config import Config
from adapter.protocol.errors import Rejected, RetryLater, UpstreamError
from adapter.protocol.refusals import reaction, read_refusal
from adapter.upstream.addresses import Target, parts, resolve

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3
READ_SECONDS = 30
TOTAL_SECONDS = 120
# An acknowledgement is empty or one error object; more is not read.
LARGEST_ANSWER = 64 * 1024
CHUNK = 256 * 1024
MOST_ADDRESSES = 4

_WHO = "The receiver"
_OPERATION = "HealthInformationPush"


class PushClient:
    """Pushes pages; usable by several threads, one connection per push."""

    def __init__(self, config: Config, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self._allow_local = config.allow_local_push
        self._token_hosts = config.push_token_hosts
        self._total_seconds = total_seconds

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Made when first needed: all certificate authorities are read for it.
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Slim images have no certificate authorities of their own.
        context.load_verify_locations(certifi.where())
        return context

    def check(self, url: str) -> None:
        """Judge a push URL when a request names it, before anything is acknowledged.

        Raises PushUrlRefused, RetryLater when the name service is away.
        """
        resolve(url, allow_local=self._allow_local)

    def push(
        self,
        url: str,
        body: bytes | Iterable[bytes],
        token: str | Callable[[], str] | None = None,
        *,
        length: int | None = None,
    ) -> None:
        """POST one page (JSON bytes) to `url`; returns when the receiver took it.

        `body`: bytes, or parts that can be walked through twice, with their total `length`, so
        that a large page is never held whole. `token`: our gateway token, or a function that
        gets it. It leaves only after the receiver answered 401 or 403 without it, over https, and
        if PUSH_TOKEN_HOSTS names the receiver: whoever has it can act as us until it expires.

        Any 2xx is taken (202 is specified, 200 tolerated, V3 contract 6.7) unless its body states
        an error: then the page did not arrive, and the error's code decides.
        Raises PushUrlRefused, RetryLater, Rejected.
        """
        if not isinstance(body, bytes) and length is None:
            raise ValueError("a body in parts needs its length")
        try:
            self._push(url, body, token, len(body) if isinstance(body, bytes) else length or 0)
        except UpstreamError as error:
            metrics.PUSHES.labels(type(error).__name__).inc()
            raise
        metrics.PUSHES.labels("accepted").inc()

    def _push(
        self,
        url: str,
        body: bytes | Iterable[bytes],
        token: str | Callable[[], str] | None,
        length: int,
    ) -> None:
        target = resolve(url, allow_local=self._allow_local)
        headers = {"Content-Type": "application/json", "Content-Length": str(length)}
        status, answer, wait = self._post(target, body, headers)
        if status in (401, 403) and token is not None and self._may_have_token(target):
            bearer = token if isinstance(token, str) else token()
            metrics.PUSH_TOKENS_SENT.inc()
            log.info("push repeated with the gateway token", host=target.host)
            headers |= {"Authorization": f"Bearer {bearer}"}
            status, answer, wait = self._post(target, body, headers)
            if status in (401, 403):
                raise Rejected(
                    f"{_WHO} {target.host} refuses the page even with the gateway token "
                    f"(HTTP {status}); ask its operator why.",
                    status=status,
                )
        _judge(target, status, answer, wait)

    def _may_have_token(self, target: Target) -> bool:
        return target.scheme == "https" and target.host.lower() in self._token_hosts

    def _post(
        self, target: Target, body: bytes | Iterable[bytes], headers: dict[str, str]
    ) -> tuple[int, bytes, timedelta | None]:
        connection = _Connection(target, self._tls)
        limit = _TimeLimit(connection, self._total_seconds)
        try:
            with limit:
                try:
                    parts_ = [body] if isinstance(body, bytes) else body
                    connection.request("POST", target.path, _chunks(parts_), headers)
                except (BrokenPipeError, ConnectionResetError):
                    # Refused before all was sent; the answer may lie there already.
                    if connection.sock is None:
                        raise
                response: HTTPResponse = connection.getresponse()
                answer = response.read(LARGEST_ANSWER)
        except ssl.SSLCertVerificationError:
            raise RetryLater(
                f"{_WHO} {target.host} showed a certificate that is not valid for it; its operator "
                "has to renew it."
            ) from None
        except (OSError, HTTPException):
            what = "took too long" if limit.reached else "cannot be reached or broke off"
            raise RetryLater(f"{_WHO} {target.host} {what}.") from None
        finally:
            connection.cut()
            connection.close()
        if limit.reached:
            raise RetryLater(f"{_WHO} {target.host} took too long.")
        wait = response.getheader("Retry-After", "")
        seconds = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else None
        return response.status, answer, timedelta(seconds=seconds) if seconds is not None else None


def _judge(target: Target, status: int, answer: bytes, wait: timedelta | None) -> None:
    who = f"{_WHO} {target.host}"
    if 200 <= status < 300:
        # Prose such as "OK" is no error; only a code makes one.
        stated = read_refusal(answer)
        if stated is None or not stated.code:
            return
        raise _of_receiver(reaction(_OPERATION, stated, status=status, retry_after=wait, who=who))
    if 300 <= status < 400:
        raise Rejected(
            f"{who} answered with a redirect (HTTP {status}), which is not followed; its operator "
            "has to name the final address in dataPushUrl.",
            status=status,
        )
    if status in (401, 403):
        raise Rejected(
            f"{who} wants a gateway token (HTTP {status}). If you trust it with ours, add its host "
            "to PUSH_TOKEN_HOSTS; whoever has the token can act as this adapter until it expires.",
            status=status,
        )
    raise _of_receiver(
        reaction(_OPERATION, read_refusal(answer), status=status, retry_after=wait, who=who)
    )


def _of_receiver(error: UpstreamError) -> UpstreamError:
    """The table speaks of the gateway; a receiver has neither our session nor our link tokens."""
    if isinstance(error, RetryLater | Rejected):
        return error
    return Rejected(error.sentence, code=error.code, status=error.status)


def _chunks(parts_: Iterable[bytes]) -> Iterator[memoryview]:
    for part in parts_:
        view = memoryview(part)
        for start in range(0, len(view), CHUNK):
            yield view[start : start + CHUNK]


class _Connection(HTTPConnection):
    """Connects to a judged address; the name serves the Host header, SNI and certificate only."""

    def __init__(self, target: Target, tls: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, timeout=READ_SECONDS)
        #: The socket for as long as this object lives: HTTPConnection drops its own once an answer
        #: without a length begins.
        self.line: socket.socket | None = None
        self._target = target
        self._tls = tls
        if target.scheme == "https":
            # So that the Host header names a port only where it is not 443.
            self.default_port = 443

    def connect(self) -> None:
        """Try the addresses in turn."""
        failure: OSError = OSError("no address")
        for address in self._target.addresses[:MOST_ADDRESSES]:
            try:
                raw = socket.create_connection((address, self._target.port), CONNECT_SECONDS)
            except OSError as error:
                failure = error
                continue
            self.sock = self.line = raw
            raw.settimeout(READ_SECONDS)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._target.scheme == "https":
                # The handshake runs with `sock` set, so that the time limit reaches it too.
                self.sock = self.line = secure = self._tls.wrap_socket(
                    raw, server_hostname=self._target.host, do_handshake_on_connect=False
                )
                secure.do_handshake()
            return
        raise failure

    def cut(self) -> None:
        """End the connection under whatever is using it; may be called by another thread."""
        if self.line is not None:
            # The plain socket's own method: SSLSocket.shutdown drops the TLS state under the thread
            # that is using it.
            with suppress(OSError):
                socket.socket.shutdown(self.line, socket.SHUT_RDWR)


class _TimeLimit:
    """Cuts a connection off after some seconds, however it trickles."""

    def __init__(self, connection: _Connection, seconds: float) -> None:
        self._connection = connection
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.reached = False

    def _cut(self) -> None:
        self.reached = True
        self._connection.cut()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def host_of(url: str) -> str:
    """The host of a push URL for rows and logs: the rest of it is a credential."""
    return parts(url, allow_local=True).host
