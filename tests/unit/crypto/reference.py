"""A second opinion: the scheme by plain curve arithmetic, sharing no line with `adapter.crypto`.

Slow, not constant time and for tests only. Points are (x, y) or None for infinity; the group law is
the schoolbook one, HKDF is two HMACs, and AES-256-GCM comes from OpenSSL.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Point = tuple[int, int] | None

FIELD = (1 << 255) - 19
MONTGOMERY_A = 486662
A = (3 - MONTGOMERY_A**2) * pow(3, -1, FIELD) % FIELD
B = (2 * MONTGOMERY_A**3 - 9 * MONTGOMERY_A) * pow(27, -1, FIELD) % FIELD
ORDER = (1 << 252) + 27742317777372353535851937790883648493
BASE = (
    (9 + MONTGOMERY_A * pow(3, -1, FIELD)) % FIELD,
    14781619447589544791020593568409986887264606134616475288964881837755586237401,
)


def add(p: Point, q: Point) -> Point:
    if p is None:
        return q
    if q is None:
        return p
    (px, py), (qx, qy) = p, q
    if px == qx and (py + qy) % FIELD == 0:
        return None
    if p == q:
        slope = (3 * px * px + A) * pow(2 * py, -1, FIELD)
    else:
        slope = (qy - py) * pow(qx - px, -1, FIELD)
    x = (slope * slope - px - qx) % FIELD
    return x, (slope * (px - x) - py) % FIELD


def multiply(scalar: int, point: Point) -> Point:
    result: Point = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def is_on_curve(x: int, y: int) -> bool:
    return (y * y - x * x * x - A * x - B) % FIELD == 0


def lift_x(x: int) -> tuple[int, int] | None:
    """A point with this x, or None where x lies on the twist."""
    square = (x * x * x + A * x + B) % FIELD
    root = pow(square, (FIELD + 3) // 8, FIELD)
    if root * root % FIELD != square:
        root = root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    return (x, root) if root * root % FIELD == square else None


def draw_scalar() -> int:
    return secrets.randbelow(ORDER - 1) + 1


def shared_x(scalar: int, peer: tuple[int, int]) -> bytes:
    point = multiply(scalar, peer)
    assert point is not None
    return point[0].to_bytes(32, "big")


def derive(z: bytes, sender_nonce: bytes, receiver_nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """(salt, iv, key)."""
    mixed = bytes(a ^ b for a, b in zip(sender_nonce, receiver_nonce, strict=True))
    prk = hmac.new(mixed[:20], z, hashlib.sha256).digest()
    return mixed[:20], mixed[20:], hmac.new(prk, b"\x01", hashlib.sha256).digest()


def encrypt(
    scalar: int, peer: tuple[int, int], own_nonce: bytes, peer_nonce: bytes, plaintext: bytes
) -> bytes:
    _, iv, key = derive(shared_x(scalar, peer), own_nonce, peer_nonce)
    return AESGCM(key).encrypt(iv, plaintext, None)


def decrypt(
    scalar: int, peer: tuple[int, int], own_nonce: bytes, peer_nonce: bytes, sealed: bytes
) -> bytes:
    _, iv, key = derive(shared_x(scalar, peer), own_nonce, peer_nonce)
    return AESGCM(key).decrypt(iv, sealed, None)


def small_order_points() -> dict[int, tuple[int, int]]:
    """One point of each small order 2, 4, 8: n times points of the whole curve, by search."""
    found: dict[int, tuple[int, int]] = {}
    x = 1
    while set(found) != {2, 4, 8}:
        point = lift_x(x)
        x += 1
        torsion = multiply(ORDER, point) if point else None
        multiples = []
        while torsion is not None and torsion not in multiples:
            multiples.append(torsion)
            torsion = add(torsion, multiples[0])
        if multiples:
            found.setdefault(len(multiples) + 1, multiples[0])
    return found
