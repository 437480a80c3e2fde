"""The ABDM key agreement by plain curve arithmetic, as the reference to check others against.

Points of Curve25519 in short Weierstrass form (BouncyCastle's `curve25519`) are added and
multiplied as integers; nothing here goes through X25519. Not constant time: for tests and the
simulator only, never for real records. Source: V3 contract section 9; RFC 5869 for HKDF.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conformance.simulator.times import timestamp

P = 2**255 - 19
A = 0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA984914A144
B = 0x7B425ED097B425ED097B425ED097B425ED097B425ED097B4260B5E9C7710C864
N = 2**252 + 27742317777372353535851937790883648493
G = (
    0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD245A,
    0x20AE19A1B8A086B4E01EDD2C7748D14C923D4D7E6D7C61B229E9C5A27ECED3D9,
)

KeyForm = Literal["raw", "x509-explicit", "x509-named"]
Point = tuple[int, int]
_Jacobian = tuple[int, int, int]  # (X, Y, Z) stands for (X / Z^2, Y / Z^3); Z = 0 is infinity


class KeyAgreementError(ValueError):
    """Key material, ciphertext or nonce that must not be used; the text says why."""


@dataclass(frozen=True)
class KeyPair:
    """A scalar in 1..N-1, its public point, and the 32 random bytes sent beside it."""

    private: int
    public: Point
    nonce: bytes


# -- curve -----------------------------------------------------------------------------------


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    if z == 0 or y == 0:
        return (1, 1, 0)
    y2 = y * y % P
    s = 4 * x * y2 % P
    m = (3 * x * x + A * pow(z, 4, P)) % P
    x3 = (m * m - 2 * s) % P
    return (x3, (m * (s - x3) - 8 * y2 * y2) % P, 2 * y * z % P)


def _add(one: _Jacobian, two: _Jacobian) -> _Jacobian:
    if one[2] == 0:
        return two
    if two[2] == 0:
        return one
    z1z1, z2z2 = one[2] ** 2 % P, two[2] ** 2 % P
    u1, u2 = one[0] * z2z2 % P, two[0] * z1z1 % P
    s1, s2 = one[1] * two[2] * z2z2 % P, two[1] * one[2] * z1z1 % P
    if u1 == u2:
        return _double(one) if s1 == s2 else (1, 1, 0)
    h, r = (u2 - u1) % P, (s2 - s1) % P
    h2 = h * h % P
    h3, v = h * h2 % P, u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return (x3, (r * (v - x3) - s1 * h3) % P, h * one[2] * two[2] % P)


def multiply(scalar: int, point: Point) -> Point | None:
    """scalar · point, or None for the point at infinity."""
    result: _Jacobian = (1, 1, 0)
    addend: _Jacobian = (point[0], point[1], 1)
    while scalar:
        if scalar & 1:
            result = _add(result, addend)
        addend = _double(addend)
        scalar >>= 1
    if result[2] == 0:
        return None
    inverse = pow(result[2], -1, P)
    return (result[0] * inverse**2 % P, result[1] * inverse**3 % P)


def check_point(point: Point) -> None:
    """Raise KeyAgreementError unless the point is usable: reduced, on the curve, of order N."""
    x, y = point
    if not (0 <= x < P and 0 <= y < P):
        raise KeyAgreementError("The public key has a coordinate that is not below the prime.")
    if (y * y - (x * x * x + A * x + B)) % P:
        raise KeyAgreementError("The public key is not a point on Curve25519.")
    if multiply(N, point) is not None:
        raise KeyAgreementError("The public key does not lie in the group of prime order.")


def generate_key_pair() -> KeyPair:
    """A fresh key pair and nonce, for one use."""
    private = secrets.randbelow(N - 1) + 1
    return KeyPair(private, public_point(private), secrets.token_bytes(32))


def public_point(private: int) -> Point:
    """The public point of a scalar in 1..N-1."""
    if not 1 <= private < N:
        raise KeyAgreementError("A private key is a number between 1 and the group order.")
    point = multiply(private, G)
    assert point is not None, "a scalar below the order never gives infinity"  # noqa: S101
    return point


# -- encodings -------------------------------------------------------------------------------


def _der(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    size = len(body)
    length = (
        bytes([size])
        if size < 128
        else b"\x82" + size.to_bytes(2)
        if size > 255
        else (b"\x81" + bytes([size]))
    )
    return bytes([tag]) + length + body


def _der_integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1))


def _der_oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    encoded = bytes([40 * first + second])
    for part in rest:
        groups = [part & 127]
        while part := part >> 7:
            groups.append(part & 127 | 128)
        encoded += bytes(reversed(groups))
    return _der(6, encoded)


def _raw(point: Point) -> bytes:
    return b"\x04" + point[0].to_bytes(32) + point[1].to_bytes(32)


def _subject_public_key(parameters: bytes, point: Point) -> bytes:
    algorithm = _der(0x30, _der_oid("1.2.840.10045.2.1"), parameters)
    return _der(0x30, algorithm, _der(3, b"\x00", _raw(point)))


_NAMED = _der_oid("1.3.6.1.4.1.3029.1.5.1")
_EXPLICIT = _der(
    0x30,
    _der_integer(1),
    _der(0x30, _der_oid("1.2.840.10045.1.1"), _der_integer(P)),
    _der(0x30, _der(4, A.to_bytes(32)), _der(4, B.to_bytes(32))),
    _der(4, _raw(G)),
    _der_integer(N),
    _der_integer(8),
)


def encode_point(point: Point, form: KeyForm = "raw") -> str:
    """Base64 of the point as raw 04‖X‖Y, or as X.509 with explicit or named parameters."""
    if form == "raw":
        return base64.b64encode(_raw(point)).decode()
    parameters = _EXPLICIT if form == "x509-explicit" else _NAMED
    return base64.b64encode(_subject_public_key(parameters, point)).decode()


def decode_point(key_value: str) -> Point:
    """The checked point of a public key in any of the three forms; else KeyAgreementError."""
    data = _base64(key_value, "The public key")
    for form in ("raw", "x509-explicit", "x509-named"):
        sample = base64.b64decode(encode_point(G, form))
        if len(data) == len(sample) and data[:-64] == sample[:-64]:
            point = (int.from_bytes(data[-64:-32]), int.from_bytes(data[-32:]))
            check_point(point)
            return point
    raise KeyAgreementError("The public key is in none of the three known forms.")


def _base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyAgreementError(f"{what} is not base64.") from error


def decode_nonce(text: str) -> bytes:
    """The 32 bytes of a nonce; any other length raises KeyAgreementError."""
    nonce = _base64(text, "The nonce")
    if len(nonce) != 32:
        raise KeyAgreementError(f"The nonce has {len(nonce)} bytes instead of 32.")
    return nonce


def key_material(pair: KeyPair, form: KeyForm, expiry: datetime) -> dict[str, Any]:
    """The `keyMaterial` object that publishes this pair."""
    return {
        "cryptoAlg": "ECDH",
        "curve": "Curve25519",
        "dhPublicKey": {
            "expiry": timestamp(expiry),
            "parameters": "Curve25519/32byte random key",
            "keyValue": encode_point(pair.public, form),
        },
        "nonce": base64.b64encode(pair.nonce).decode(),
    }


# -- agreement and encryption ----------------------------------------------------------------


def shared_secret(private: int, peer: Point) -> bytes:
    """Z: x of private · peer, 32 bytes big-endian."""
    check_point(peer)
    point = multiply(private, peer)
    if point is None:
        raise KeyAgreementError("The key agreement gave the point at infinity.")
    return point[0].to_bytes(32)


def derive(secret: bytes, one_nonce: bytes, other_nonce: bytes) -> tuple[bytes, bytes]:
    """(AES key, IV) from Z and both nonces; their order does not matter."""
    mixed = bytes(a ^ b for a, b in zip(one_nonce, other_nonce, strict=True))
    extracted = hmac.digest(mixed[:20], secret, hashlib.sha256)
    return hmac.digest(extracted, b"\x01", hashlib.sha256), mixed[20:]


def encrypt(own: KeyPair, peer: Point, peer_nonce: bytes, plaintext: bytes) -> str:
    """Base64 of ciphertext and tag."""
    key, iv = derive(shared_secret(own.private, peer), own.nonce, peer_nonce)
    return base64.b64encode(AESGCM(key).encrypt(iv, plaintext, None)).decode()


def decrypt(own: KeyPair, peer: Point, peer_nonce: bytes, content: str) -> bytes:
    """The plaintext; raises KeyAgreementError if anything was changed or does not fit."""
    sealed = _base64(content, "The content")
    key, iv = derive(shared_secret(own.private, peer), own.nonce, peer_nonce)
    try:
        return AESGCM(key).decrypt(iv, sealed, None)
    except (InvalidTag, ValueError) as error:
        raise KeyAgreementError("The content does not decrypt: its tag is wrong.") from error
