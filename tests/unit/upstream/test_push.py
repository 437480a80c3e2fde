"""The guarded push client against real servers, honest and otherwise."""

import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from adapter.config import Config
from adapter.protocol.errors import PushUrlRefused, Rejected, RetryLater
from adapter.upstream import addresses, push
from adapter.upstream.addresses import is_public
from adapter.upstream.push import PushClient, host_of
from tests.unit.upstream.server import Authority, Server, authority, serving

PAGE = b'{"pageNumber": 1}'
TOKEN = "our-gateway-token"


def config(**settings: Any) -> Config:
    return Config(_env_file=None, enable_abdm=False, **settings)


@pytest.fixture
def strict() -> PushClient:
    return PushClient(config())


@pytest.fixture
def local() -> PushClient:
    return PushClient(config(allow_local_push=True), total_seconds=3)


@pytest.fixture
def receiver() -> Iterator[Server]:
    with serving() as server:
        yield server


def names(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Let every name resolve to `found`; returns the list of names asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_options: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_address_that_is_not_on_the_public_internet_is_recognised(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "164.100.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public_address_is_recognised(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/push",
        "https://localhost/push",
        "https://2130706433/push",
        "https://0x7f.1/push",
        "https://127.1/push",
        "https://[::1]/push",
        "https://[::ffff:127.0.0.1]/push",
        "https://169.254.169.254/latest/meta-data",
        "http://example.org/push",
        "ftp://example.org/push",
        "file:///etc/passwd",
        "https:///push",
        "https://",
        "push",
        "",
        "https://user:pass@example.org/push",
        "https://example.org\\@127.0.0.1/push",
        "https://example.org/a b",
        "https://example.org/\r\nX-Evil: 1",
        "https://example.org:99999/",
        "https://[::1/",
        "https://उदाहरण.भारत/push",
        "https://example.org/" + "a" * 3000,
    ],
)
def test_url_that_must_not_be_pushed_to_is_refused_when_asked_and_when_pushed(
    strict: PushClient, url: str
) -> None:
    with pytest.raises(PushUrlRefused):
        strict.check(url)
    with pytest.raises(PushUrlRefused):
        strict.push(url, PAGE)


@pytest.mark.parametrize("found", [("10.0.0.1",), ("8.8.8.8", "192.168.0.1"), ("::1",)])
def test_name_that_leads_to_a_private_address_is_refused_even_among_public_ones(
    strict: PushClient, monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...]
) -> None:
    names(monkeypatch, *found)
    with pytest.raises(PushUrlRefused, match="private or reserved"):
        strict.check("https://hiu.example.in/push/secret")


def test_name_that_does_not_exist_is_refused_and_a_silent_name_service_is_waited_for(
    strict: PushClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int) -> Callable[..., Any]:
        def resolve(*_arguments: Any, **_options: Any) -> Any:
            raise socket.gaierror(number, "no")

        return resolve

    monkeypatch.setattr(addresses.socket, "getaddrinfo", fails(socket.EAI_NONAME))
    with pytest.raises(PushUrlRefused):
        strict.check("https://hiu.example.in/push")
    monkeypatch.setattr(addresses.socket, "getaddrinfo", fails(socket.EAI_AGAIN))
    with pytest.raises(RetryLater):
        strict.check("https://hiu.example.in/push")


def test_connection_goes_to_the_judged_address_and_the_name_is_looked_up_once(
    strict: PushClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, "8.8.8.8")
    connected: list[Any] = []

    def connect(address: Any, *_arguments: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(push.socket, "create_connection", connect)
    with pytest.raises(RetryLater):
        strict.push("https://hiu.example.in:8443/push", PAGE)
    assert asked == ["hiu.example.in"]
    assert connected == [("8.8.8.8", 8443)]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_success_status_counts_as_taken(
    local: PushClient, receiver: Server, status: int
) -> None:
    receiver.answer = lambda _request: Response("" if status == 204 else "OK", status)
    local.push(receiver.url + "/push/secret?x=1", PAGE)
    (visit,) = receiver.visits
    assert (visit.method, visit.path, visit.body) == ("POST", "/push/secret", PAGE)
    assert visit.headers["content-type"] == "application/json"
    assert visit.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "authorization" not in visit.headers


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ('{"error": {"code": "4500", "message": "Unknown error"}}', Rejected, "4500"),
        ('[{"code": "ABDM-1031", "message": "Invalid request"}]', Rejected, "ABDM-1031"),
        ('{"error": {"code": "ABDM-1024", "message": "x"}}', RetryLater, "ABDM-1024"),
        ('{"error": {"code": "900901", "message": "x"}}', Rejected, "900901"),
    ],
)
def test_success_status_with_an_error_in_the_body_is_no_success(
    local: PushClient, receiver: Server, body: str, kind: type[Exception], code: str
) -> None:
    receiver.answer = lambda _request: Response(body, 200)
    with pytest.raises(kind) as caught:
        local.push(receiver.url, PAGE)
    assert getattr(caught.value, "code", None) == code


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (301, Rejected, "redirect"),
        (307, Rejected, "redirect"),
        (400, Rejected, "HTTP 400"),
        (401, Rejected, "PUSH_TOKEN_HOSTS"),
        (403, Rejected, "PUSH_TOKEN_HOSTS"),
        (404, Rejected, "HTTP 404"),
        (408, RetryLater, "HTTP 408"),
        (429, RetryLater, "HTTP 429"),
        (500, RetryLater, "HTTP 500"),
        (503, RetryLater, "HTTP 503"),
    ],
)
def test_each_refusal_says_what_it_was_and_nothing_is_followed_or_repeated(
    local: PushClient, receiver: Server, status: int, kind: type[Exception], words: str
) -> None:
    receiver.answer = lambda _request: Response(
        "", status, headers={"Location": "http://127.0.0.1/elsewhere"}
    )
    with pytest.raises(kind, match=words) as caught:
        local.push(receiver.url + "/push/secret-in-the-path", PAGE, TOKEN)
    assert "secret-in-the-path" not in str(caught.value)
    assert len(receiver.visits) == 1
    assert "authorization" not in receiver.visits[0].headers


def test_wish_to_be_asked_later_is_passed_on(local: PushClient, receiver: Server) -> None:
    receiver.answer = lambda _request: Response("", 503, headers={"Retry-After": "17"})
    with pytest.raises(RetryLater) as caught:
        local.push(receiver.url, PAGE)
    assert caught.value.after is not None
    assert caught.value.after.total_seconds() == 17


def test_receiver_that_is_not_there_is_tried_again_later(local: PushClient) -> None:
    with pytest.raises(RetryLater, match="cannot be reached"):
        local.push("http://127.0.0.1:1/push/secret", PAGE)


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def wants_token(request: Request) -> Response:
    bearer = request.headers.get("Authorization")
    return Response(status=202 if bearer == f"Bearer {TOKEN}" else 401)


def test_https_push_checks_the_certificate_for_the_name_not_the_address(
    trusted: Authority,
) -> None:
    client = PushClient(config(allow_local_push=True))
    with serving(tls=trusted.context("localhost")) as server:
        client.push(f"https://localhost:{server.port}/push", PAGE)
        assert server.visits[0].headers["host"] == f"localhost:{server.port}"
    with (
        serving(tls=trusted.context("other.example.in")) as server,
        pytest.raises(RetryLater, match="certificate"),
    ):
        client.push(f"https://localhost:{server.port}/push", PAGE)


def test_certificate_of_an_unknown_authority_is_not_accepted(tmp_path: Path) -> None:
    client = PushClient(config(allow_local_push=True))
    tls = authority(tmp_path).context("localhost")
    with serving(tls=tls) as server, pytest.raises(RetryLater, match="certificate"):
        client.push(f"https://localhost:{server.port}/push", PAGE)
    assert server.visits == []


def test_token_goes_only_to_a_named_host_only_over_https_and_only_after_it_refused(
    trusted: Authority, receiver: Server
) -> None:
    settings = config(allow_local_push=True, push_token_hosts="localhost,127.0.0.1")
    client = PushClient(settings)
    with serving(wants_token, tls=trusted.context("localhost")) as server:
        client.push(f"https://localhost:{server.port}/push", [PAGE], lambda: TOKEN, length=17)
        assert [v.headers.get("authorization") for v in server.visits] == [
            None,
            f"Bearer {TOKEN}",
        ]
        assert [v.body for v in server.visits] == [PAGE, PAGE]
        not_named = PushClient(config(allow_local_push=True))
        with pytest.raises(Rejected, match="PUSH_TOKEN_HOSTS"):
            not_named.push(f"https://localhost:{server.port}/push", PAGE, TOKEN)
    receiver.answer = wants_token
    with pytest.raises(Rejected):
        client.push(receiver.url, PAGE, TOKEN)
    assert [v.headers.get("authorization") for v in receiver.visits] == [None]


def test_receiver_that_refuses_the_token_too_is_said_to_do_so(trusted: Authority) -> None:
    client = PushClient(config(allow_local_push=True, push_token_hosts="localhost"))
    with (
        serving(lambda _r: Response(status=403), tls=trusted.context("localhost")) as server,
        pytest.raises(Rejected, match="even with the gateway token") as caught,
    ):
        client.push(f"https://localhost:{server.port}/push", PAGE, TOKEN)
    assert TOKEN not in str(caught.value)


# --- slow, endless, rude ------------------------------------------------------------------------

GIVEN_UP_S = 20.0
"""By then also on a busy machine; these receivers would go on for a minute."""


class Rude:
    """A listening socket whose only guest gets what `behave` does to it."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._behave = behave
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            guest, _ = self._listening.accept()
            with guest:
                self._behave(guest)
        except OSError:
            pass

    def __enter__(self) -> "Rude":
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()


def _trickle(guest: socket.socket, head: bytes) -> None:
    guest.recv(65536)
    guest.sendall(head)
    for _ in range(600):
        guest.sendall(b"x")
        time.sleep(0.1)


def _silent(guest: socket.socket) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    "behave",
    [
        _silent,
        lambda guest: _trickle(guest, b"HTTP/1.1 200 OK\r\nX-Slow: "),
        lambda guest: _trickle(guest, b"HTTP/1.1 202 Accepted\r\n\r\n"),
        lambda guest: _trickle(guest, b"HTTP/1.1 202 Accepted\r\nContent-Length: 5000\r\n\r\n"),
    ],
    ids=["silent", "trickling headers", "trickling body", "trickling announced body"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_slow_receiver_is_cut_off_after_the_total_time(
    behave: Callable[[socket.socket], None], scheme: str
) -> None:
    client = PushClient(config(allow_local_push=True), total_seconds=0.6)
    started = time.monotonic()
    with Rude(behave) as server, pytest.raises(RetryLater):
        client.push(f"{scheme}://127.0.0.1:{server.port}/push", PAGE)
    assert time.monotonic() - started < GIVEN_UP_S


def test_receiver_that_never_reads_the_page_is_cut_off() -> None:
    client = PushClient(config(allow_local_push=True), total_seconds=0.6)
    started = time.monotonic()
    with Rude(_silent) as server, pytest.raises(RetryLater, match="took too long"):
        client.push(f"http://127.0.0.1:{server.port}/push", b"x" * 30_000_000)
    assert time.monotonic() - started < GIVEN_UP_S


def test_endless_answer_is_not_read_to_its_end(local: PushClient) -> None:
    def endless(guest: socket.socket) -> None:
        guest.recv(65536)
        guest.sendall(b"HTTP/1.1 202 Accepted\r\n\r\n")
        while True:
            guest.sendall(b"x" * 65536)

    with Rude(endless) as server:
        local.push(f"http://127.0.0.1:{server.port}/push", PAGE)


def test_refusal_given_before_the_whole_page_was_sent_is_still_understood(
    local: PushClient,
) -> None:
    def early(guest: socket.socket) -> None:
        guest.recv(1024)
        guest.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        guest.shutdown(socket.SHUT_WR)
        time.sleep(0.3)

    with Rude(early) as server, pytest.raises((Rejected, RetryLater)):
        local.push(f"http://127.0.0.1:{server.port}/push", b"x" * 30_000_000)


@pytest.mark.parametrize("noise", [b"", b"\x00\x01\x02", b"HTTP/1.1 abc\r\n\r\n", b"220 smtp\r\n"])
def test_answer_that_is_no_http_is_tried_again_later(local: PushClient, noise: bytes) -> None:
    def noisy(guest: socket.socket) -> None:
        guest.recv(65536)
        guest.sendall(noise)

    with Rude(noisy) as server, pytest.raises(RetryLater):
        local.push(f"http://127.0.0.1:{server.port}/push", PAGE)


def test_large_page_is_sent_without_being_copied(local: PushClient, receiver: Server) -> None:
    chunk = b"x" * (1024 * 1024)
    sizes: list[int] = []

    def count(request: Request) -> Response:
        sizes.append(int(request.headers["Content-Length"]))
        return Response(status=202)

    receiver.answer = count
    with Rude(_swallow) as server:
        tracemalloc.start()
        local.push(f"http://127.0.0.1:{server.port}/push", [chunk] * 13, length=13 * len(chunk))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1024 * 1024


def _swallow(guest: socket.socket) -> None:
    left = 13 * 1024 * 1024
    buffer = bytearray(65536)
    while left > 0:
        left -= guest.recv_into(buffer)
    guest.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


def test_body_in_parts_must_tell_its_length(local: PushClient) -> None:
    with pytest.raises(ValueError, match="length"):
        local.push("http://127.0.0.1:1/", [PAGE])


def test_only_the_host_of_a_push_url_is_for_rows_and_logs() -> None:
    assert host_of("https://HIU.example.in:8443/push/secret?x=y") == "hiu.example.in"


def test_old_tls_is_not_spoken(strict: PushClient) -> None:
    assert strict._tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert strict._tls.check_hostname
    assert strict._tls.verify_mode == ssl.CERT_REQUIRED
