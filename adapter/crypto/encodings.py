"""Base64 text of ABDM key material, read by exact prefix and written zero-padded.

A comparison of the fixed prefix is the strictest parser there is for the two X.509 forms: altered
curve parameters, other curves and trailing bytes all fail it. This module decides nothing about the
point itself; `curve.check_point` does.

    public key, raw             04 || x || y                        65 bytes
    public key, X.509 named     28-byte prefix, 04 || x || y        93 bytes
    public key, X.509 explicit  244-byte prefix, 04 || x || y      309 bytes
    private key                 scalar, big-endian, written as 32 bytes, read from 1 to 33
    nonce                       32 bytes

Sources: SEC 1 2.3.3 (points), RFC 3279 2.3.5 (explicit curve parameters), OID
1.3.6.1.4.1.3029.1.5.1 (curvey25519), RFC 4648 section 4 (base64 with padding).
"""

from __future__ import annotations

import binascii

import pybase64

from adapter.crypto import curve
from adapter.crypto.errors import CryptoError, KeyMaterialInvalid, PrivateKeyInvalid

NONCE_BYTES = 32
_ASCII_WHITESPACE = b" \t\n\r\v\f"


def decode_base64(text: str | bytes, what: str, error: type[CryptoError]) -> bytes:
    """Standard, padded base64 as bytes; ASCII whitespace in it is ignored, all else refused.

    Strict decoding comes first, because searching megabytes for whitespace that is hardly ever
    there costs ten times the decoding. Raises `error` with `what` as the subject of its sentence.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        return pybase64.b64decode(raw.translate(None, _ASCII_WHITESPACE), validate=True)
    except (binascii.Error, ValueError):
        pass
    # Raised outside the handler: the caught exception holds the text itself.
    raise error(f"{what} is not standard base64 with padding; send it as RFC 4648 section 4 says.")


def encode_base64(data: bytes) -> str:
    """Standard, padded base64 on one line."""
    return pybase64.b64encode_as_string(data)


def _der(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _field(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _explicit_structure(point: bytes) -> bytes:
    """SubjectPublicKeyInfo with the curve's parameters written out, without a seed."""
    ec_public_key = bytes.fromhex("06072a8648ce3d0201")
    prime_field = bytes.fromhex("06072a8648ce3d0101")
    parameters = _der(
        0x30,
        _integer(1),
        _der(0x30, prime_field, _integer(curve.P)),
        _der(0x30, _der(0x04, _field(curve.A)), _der(0x04, _field(curve.B))),
        _der(0x04, b"\x04", _field(curve.GX), _field(curve.GY)),
        _integer(curve.N),
        _integer(8),
    )
    return _der(0x30, _der(0x30, ec_public_key, parameters), _der(0x03, b"\0", point))


# Each prefix ends with the 04 of the point, so all three forms are "prefix, x, y".
_RAW_PREFIX = b"\x04"
_EXPLICIT_PREFIX = _explicit_structure(b"\x04" + bytes(64))[:-64]
_NAMED_PREFIX = bytes.fromhex("305b301506072a8648ce3d0201060a2b06010401975501050103420004")
_PREFIX_BY_LENGTH = {
    len(prefix) + 64: prefix for prefix in (_RAW_PREFIX, _EXPLICIT_PREFIX, _NAMED_PREFIX)
}

# (length or None for any, first bytes, what it is): why a key is refused, first fit wins.
_MISTAKES: tuple[tuple[int | None, bytes, str], ...] = (
    (1, b"\x00", "the point at infinity"),
    (33, b"\x02", "a compressed point"),
    (33, b"\x03", "a compressed point"),
    (65, b"\x06", "a hybrid point"),
    (65, b"\x07", "a hybrid point"),
    (64, b"", "64 bytes without the leading 04"),
    (32, b"", "a bare X25519 key"),
    (44, bytes.fromhex("302a300506032b656e"), "an X25519 key of RFC 8410"),
    (None, b"\x30", "an X.509 structure of another curve, with other parameters, or damaged"),
)


def read_public_key(text: str) -> tuple[int, int]:
    """(x, y) of a public key in any of the three encodings, unchecked beyond the encoding.

    Raises:
        KeyMaterialInvalid: not base64, or none of the three encodings; the sentence says which.
    """
    key = decode_base64(text, "The public key", KeyMaterialInvalid)
    prefix = _PREFIX_BY_LENGTH.get(len(key))
    if prefix is not None and key.startswith(prefix):
        return int.from_bytes(key[-64:-32], "big"), int.from_bytes(key[-32:], "big")
    found = next(
        (
            what
            for length, start, what in _MISTAKES
            if length in (None, len(key)) and key.startswith(start)
        ),
        f"{len(key)} bytes of something else",
    )
    raise KeyMaterialInvalid(
        f"The public key is {found}; send an uncompressed point of Curve25519 in Weierstrass form"
        " (65 bytes starting with 04), or its X.509 structure with explicit parameters (309 bytes)"
        " or named curve (93 bytes)."
    )


def write_raw(x: int, y: int) -> str:
    """The uncompressed point: what a HIU publishes, because every sender reads it."""
    return encode_base64(_RAW_PREFIX + _field(x) + _field(y))


def write_x509(x: int, y: int) -> str:
    """X.509 with explicit parameters: what a HIP publishes, because every receiver reads it."""
    return encode_base64(_EXPLICIT_PREFIX + _field(x) + _field(y))


def read_private_key(text: str) -> curve.ImportedScalar:
    """The private scalar in base64, big-endian, 1 to 33 bytes (Java writes 31, 32 or 00 + 31).

    Raises:
        PrivateKeyInvalid: not base64, empty, longer, zero, or not below n.
    """
    key = decode_base64(text, "The private key", PrivateKeyInvalid)
    if not 1 <= len(key) <= 33:
        raise PrivateKeyInvalid(
            f"The private key is {len(key)} bytes long; it must be the scalar, big-endian,"
            " in 1 to 33 bytes."
        )
    return curve.ImportedScalar(int.from_bytes(key, "big"))


def write_private_key(d: int) -> str:
    """The scalar in 32 bytes, zero-padded: a shorter form may read as a negative number in Java."""
    return encode_base64(_field(d))


def read_nonce(text: str, whose: str, error: type[CryptoError]) -> bytes:
    """The 32 bytes of a nonce; raises `error` for any other length, since peers then disagree."""
    nonce = decode_base64(text, f"The {whose} nonce", error)
    if len(nonce) != NONCE_BYTES:
        raise error(
            f"The {whose} nonce is {len(nonce)} bytes long; it must be exactly {NONCE_BYTES} random"
            " bytes in base64."
        )
    return nonce
