"""Curve25519 in short-Weierstrass form, computed by OpenSSL's X25519.

The curve is y^2 = x^3 + A*x + B over p = 2^255 - 19 (BouncyCastle's "curve25519"); x here is
u + DELTA in the Montgomery form of RFC 7748. Secrets live in `X25519PrivateKey` objects and enter
Python's integers, which are not constant time, only for one addition (u + DELTA, k + 8) and for the
one-time conversion of an exported or imported scalar. All else done with integers here is public.

Sources: RFC 7748 (X25519, clamping); BouncyCastle's CustomNamedCurves (parameters).
"""

from __future__ import annotations

import os
import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from adapter.crypto.errors import ComputationFault, KeyMaterialInvalid, PrivateKeyInvalid

P = 2**255 - 19
N = 2**252 + 27742317777372353535851937790883648493
"""Order of the base point; the curve has 8 * N points."""
A = 0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA984914A144
B = 0x7B425ED097B425ED097B425ED097B425ED097B425ED097B4260B5E9C7710C864
GX = 0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD245A
GY = 0x20AE19A1B8A086B4E01EDD2C7748D14C923D4D7E6D7C61B229E9C5A27ECED3D9
DELTA = 0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2451

# D = 8*G, the step between the two points from which y is recovered.
_DX = 0x520A5182558106D882E632F87361074C25239875581F53C99C1C1A97F376BDB9
_DY = 0x1F7A44457046C61B7230BB96BF994F73B0B863988F3A6E063AD69291608D78D5
_DY_SQUARED = _DY * _DY % P
_TWICE_DY_INVERSE = pow(2 * _DY, -1, P)

# 5n - 1 is of X25519's shape and congruent to -1: it maps a point of prime order to its negative,
# whose x is the same, and strips the small-order part from every other point.
_MINUS_ONE = X25519PrivateKey.from_private_bytes((5 * N - 1).to_bytes(32, "little"))

_BASE = X25519PublicKey.from_public_bytes((GX - DELTA).to_bytes(32, "little"))
_TOP_BIT = 1 << 254
_SHAPE = (_TOP_BIT - 1) ^ 7


def on_curve(x: int, y: int) -> bool:
    """Whether (x, y), both already reduced, satisfies the curve equation."""
    return ((x * x + A) * x + B - y * y) % P == 0


def check_point(x: int, y: int) -> X25519PublicKey:
    """Check a peer's point and return it as X25519 reads it.

    X25519 computes happily on any x: without the curve equation half of all x would be points of
    the twist, and a wrong y would go unnoticed.

    Raises:
        KeyMaterialInvalid: a coordinate is not reduced, the point is off the curve, or its order is
            not the prime n.
    """
    if x >= P or y >= P:
        raise KeyMaterialInvalid(
            "The public key has a coordinate that is not below the field prime 2^255 - 19;"
            " ask the peer for a new key."
        )
    if not on_curve(x, y):
        raise KeyMaterialInvalid(
            "The public key is not a point of the curve Curve25519 in Weierstrass form;"
            " ask the peer which curve it used."
        )
    u = ((x - DELTA) % P).to_bytes(32, "little")
    point = X25519PublicKey.from_public_bytes(u)
    try:
        same = _MINUS_ONE.exchange(point) == u  # a public point: no secret is compared
    except ValueError:  # all-zero result: a point of small order
        same = False
    if not same:
        raise KeyMaterialInvalid(
            "The public key is not in the prime-order group of the curve;"
            " ask the peer for a new key."
        )
    return point


def draw_private_key() -> X25519PrivateKey:
    """A fresh random private key: a multiple of 8 with bit 254 set, as X25519 wants it."""
    k = int.from_bytes(os.urandom(32), "little") & _SHAPE | _TOP_BIT
    return X25519PrivateKey.from_private_bytes(k.to_bytes(32, "little"))


def public_point(private_key: X25519PrivateKey) -> tuple[int, int]:
    """(x, y) of a key made by `draw_private_key`; y exact, recovered from the x of k*G and (k+8)*G.

    The chord through k*G and D = 8*G gives the third x, which yields y without a square root.

    Raises:
        ComputationFault: the result is not on the curve. The one scalar for which k + 8 leaves
            X25519's range (chance 2^-251) ends here too.
    """
    k = int.from_bytes(private_key.private_bytes_raw(), "little")
    neighbour = X25519PrivateKey.from_private_bytes((k + 8).to_bytes(32, "little"))
    x1 = _public_x(private_key)
    x3 = _public_x(neighbour)
    run = _DX - x1
    y1 = (
        ((x1 * x1 + A) * x1 + B + _DY_SQUARED - (x1 + _DX + x3) * (run * run % P))
        * _TWICE_DY_INVERSE
        % P
    )
    if not on_curve(x1, y1):
        raise ComputationFault(
            "A new key pair failed its own check and was thrown away; try again, and if it happens"
            " again test this machine's memory."
        )
    return x1, y1


def belongs(private_key: X25519PrivateKey, x: int, y: int) -> bool:
    """Whether (x, y) is the public point of `private_key`, up to the sign of y."""
    return x < P and y < P and on_curve(x, y) and _public_x(private_key) == x


def _public_x(private_key: X25519PrivateKey) -> int:
    u = private_key.public_key().public_bytes_raw()
    return (int.from_bytes(u, "little") + DELTA) % P


def shared_x(private_key: X25519PrivateKey, peer: X25519PublicKey) -> bytes:
    """Z: x of (own scalar * peer's point), 32 bytes big-endian, zero-padded on the left.

    `peer` must come from `check_point`.
    """
    return _weierstrass_x(private_key.exchange(peer))


def _weierstrass_x(u: bytes) -> bytes:
    return ((int.from_bytes(u, "little") + DELTA) % P).to_bytes(32, "big")


def export_scalar(private_key: X25519PrivateKey) -> int:
    """The scalar d = k mod n of a drawn key, as other implementations keep it."""
    return int.from_bytes(private_key.private_bytes_raw(), "little") % N


class ImportedScalar:
    """A private scalar d from outside, 1 <= d < n, held as X25519 keys.

    X25519 forces every scalar into its own shape, so d is replaced by k = ±d (mod n) of that shape
    (the sign does not reach x). Small multiples of ±8 modulo n have none; they are split into two
    factors that have, and X25519 runs twice.

    Raises:
        PrivateKeyInvalid: d is zero or not below n.
    """

    __slots__ = ("_factors",)

    def __init__(self, d: int) -> None:
        if not 0 < d < N:
            raise PrivateKeyInvalid(
                "The private key is zero or not below the order of the curve; generate a new one"
                " with `abdm-adapter fidelius generate-key`."
            )
        self._factors = _factors(d)

    def __repr__(self) -> str:
        return "<ImportedScalar>"

    def fits(self, x: int) -> bool:
        """Whether x is that of the public point; the sign of y does not tell."""
        return int.from_bytes(self.shared_x(_BASE), "big") == x

    def shared_x(self, peer: X25519PublicKey) -> bytes:
        """Z with the peer's point, as the module's `shared_x`."""
        u = b""
        for factor in self._factors:
            u = factor.exchange(peer)
            peer = X25519PublicKey.from_public_bytes(u)
        return _weierstrass_x(u)


def _factors(d: int) -> tuple[X25519PrivateKey, ...]:
    whole = _shaped(d)
    if whole is not None:
        return (whole,)
    while True:
        r = secrets.randbelow(N - 1) + 1
        first, second = _shaped(r), _shaped(d * pow(r, -1, N) % N)
        if first is not None and second is not None:
            return (first, second)


def _shaped(d: int) -> X25519PrivateKey | None:
    """The key k = ±d (mod n) of X25519's shape, or None if there is none."""
    k = d + (-5 * d % 8) * N  # 5 is the inverse of n modulo 8, so this is a multiple of 8
    for candidate in (k, 8 * N - k):
        if candidate >> 254 == 1:
            return X25519PrivateKey.from_private_bytes(candidate.to_bytes(32, "little"))
    return None
