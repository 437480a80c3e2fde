"""Decides whether a URL that a stranger named may be connected to, and to which address.

A `dataPushUrl` is foreign input: it must not make this machine talk to itself or to the hospital's
network. The name is resolved once, every address is judged, and the connection goes to one of the
judged addresses; a second look-up could give another answer.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from adapter.protocol.errors import PushUrlRefused, RetryLater

Address = IPv4Address | IPv6Address

# RFC 6052: an IPv4 address inside decides what is reached. The local-use prefix of RFC 8215 lies,
# like every address that is not global unicast, outside 2000::/3.
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# IETF protocol assignments; Python's table knows only parts of it.
_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
LONGEST_URL = 2048


@dataclass(frozen=True)
class Target:
    """Where a push goes: `host` for certificate and Host header, `addresses` to connect to."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


def is_public(address: Address) -> bool:
    """Whether `address` is on the public internet: not private, shared, loopback, link-local,
    multicast, reserved or unspecified, and neither is an IPv4 address inside it.
    """
    if isinstance(address, IPv6Address):
        inside = _embedded(address)
        if inside is not None:
            return is_public(inside)
        if address not in _GLOBAL_UNICAST:
            return False
    elif address in _ASSIGNMENTS:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def resolve(url: str, *, allow_local: bool) -> Target:
    """The target of `url`. `allow_local` (demo only) permits http and private addresses.

    Raises PushUrlRefused when the URL may not be used, RetryLater when the name service is away.
    """
    target = parts(url, allow_local=allow_local)
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL):
            raise RetryLater("The name service did not answer for the push URL's host.") from None
        raise PushUrlRefused("The push URL's host name does not exist.") from None
    except (OSError, UnicodeError):
        raise PushUrlRefused("The push URL's host name cannot be looked up.") from None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_local:
        for text in addresses:
            if not is_public(ip_address(text.partition("%")[0])):
                raise PushUrlRefused("The push URL leads to a private or reserved address.")
    return Target(target.scheme, target.host, target.port, target.path, addresses)


def parts(url: str, *, allow_local: bool) -> Target:
    """The parts of `url` as it stands, without looking its name up. Raises PushUrlRefused."""
    if len(url) > LONGEST_URL or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise PushUrlRefused("The push URL has characters that no URL has, or is too long.")
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        raise PushUrlRefused("The push URL cannot be read.") from None
    if split.scheme != "https" and not (allow_local and split.scheme == "http"):
        raise PushUrlRefused("The push URL is not https.")
    if not host or "\\" in url:
        raise PushUrlRefused("The push URL names no host.")
    if split.username is not None or split.password is not None:
        raise PushUrlRefused("The push URL carries a user name.")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    default = 443 if split.scheme == "https" else 80
    return Target(split.scheme, host, port or default, path, ())
