"""What must be refused is refused, with a sentence, and nothing is released."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapter.crypto import fidelius
from adapter.crypto.errors import (
    CryptoError,
    DecryptionFailed,
    KeyMaterialInvalid,
    PrivateKeyInvalid,
)
from adapter.crypto.fidelius import PublicKeyMaterial, ReceiverKey, check_peer, encrypt_page
from adapter.protocol import errors as protocol_errors
from tests.unit.crypto import page_vectors, reference

VECTOR = page_vectors.BY_ID["P03"]
GOOD_KEY = VECTOR.receiver.public_keys["publicKeyRaw"]
GOOD_NONCE = VECTOR.receiver.nonce
X, Y = VECTOR.receiver.point
X_BYTES, Y_BYTES = X.to_bytes(32, "big"), Y.to_bytes(32, "big")
EXPLICIT = base64.b64decode(VECTOR.receiver.public_keys["publicKeyX509"])
NAMED = base64.b64decode(VECTOR.receiver.public_keys["publicKeyX509Named"])
N = reference.ORDER


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def raw(point: reference.Point) -> bytes:
    assert point is not None
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


small_order_points = cache(reference.small_order_points)


def small(order: int) -> bytes:
    return raw(small_order_points()[order])


def mixed(order: int) -> bytes:
    return raw(reference.add((X, Y), small_order_points()[order]))


def twist_x() -> bytes:
    x = next(x for x in range(X + 1, X + 50) if reference.lift_x(x) is None)
    return b"\x04" + x.to_bytes(32, "big") + Y_BYTES


def unreduced(point: tuple[int, int], coordinate: int) -> bytes:
    """The same point with p added to one coordinate: a second encoding of it."""
    values = list(point)
    values[coordinate] += reference.FIELD
    return b"\x04" + b"".join(value.to_bytes(32, "big") for value in values)


def altered(structure: bytes, position: int) -> bytes:
    return structure[:position] + bytes([structure[position] ^ 1]) + structure[position + 1 :]


def x25519_key(form: PublicFormat, encoding: Encoding) -> bytes:
    return X25519PrivateKey.generate().public_key().public_bytes(encoding, form)


def p256_key(form: PublicFormat, encoding: Encoding) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(encoding, form)


# name -> (makes the key's bytes, words of the sentence)
BAD_KEYS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "empty": (lambda: b"", "0 bytes"),
    "infinity": (lambda: b"\x00", "infinity"),
    "compressed, even": (lambda: b"\x02" + X_BYTES, "compressed"),
    "compressed, odd": (lambda: b"\x03" + X_BYTES, "compressed"),
    "hybrid, even": (lambda: b"\x06" + X_BYTES + Y_BYTES, "hybrid"),
    "hybrid, odd": (lambda: b"\x07" + X_BYTES + Y_BYTES, "hybrid"),
    "64 bytes without 04": (lambda: X_BYTES + Y_BYTES, "without the leading 04"),
    "66 bytes": (lambda: b"\x04" + X_BYTES + Y_BYTES + b"\x00", "66 bytes"),
    "bare X25519": (lambda: x25519_key(PublicFormat.Raw, Encoding.Raw), "bare X25519"),
    "X25519 structure": (
        lambda: x25519_key(PublicFormat.SubjectPublicKeyInfo, Encoding.DER),
        "RFC 8410",
    ),
    "P-256 structure": (
        lambda: p256_key(PublicFormat.SubjectPublicKeyInfo, Encoding.DER),
        "another curve",
    ),
    "P-256 point": (
        lambda: p256_key(PublicFormat.UncompressedPoint, Encoding.X962),
        None,  # off the curve, or not reduced
    ),
    "explicit, truncated": (lambda: EXPLICIT[:-1], "damaged"),
    "explicit, extended": (lambda: EXPLICIT + b"\x00", "damaged"),
    "named, truncated": (lambda: NAMED[:-1], "damaged"),
    "named, extended": (lambda: NAMED + b"\x00", "damaged"),
    "named, other OID": (lambda: altered(NAMED, 24), "another curve"),
    "wrong y": (lambda: b"\x04" + X_BYTES + altered(Y_BYTES, 31), "not a point of the curve"),
    "x on the twist": (twist_x, "not a point of the curve"),
    "(0, 0)": (lambda: b"\x04" + bytes(64), "not a point of the curve"),
    "x + p": (lambda: unreduced((X, Y), 0), "field prime"),
    "y + p": (lambda: unreduced((X, Y), 1), "field prime"),
    "x = p": (lambda: b"\x04" + reference.FIELD.to_bytes(32, "big") + Y_BYTES, "field prime"),
    "order 2": (lambda: small(2), "prime-order"),
    "order 4": (lambda: small(4), "prime-order"),
    "order 8": (lambda: small(8), "prime-order"),
    "valid + order 2": (lambda: mixed(2), "prime-order"),
    "valid + order 4": (lambda: mixed(4), "prime-order"),
    "valid + order 8": (lambda: mixed(8), "prime-order"),
}

BAD_NONCES = {
    **{f"{size} bytes": b64(bytes(size)) for size in (0, 1, 16, 31, 33, 64)},
    "UUID": "b2f4ab3e-70a1-4c2d-9df6-2f2a4a1f7e11",
    "UUID without dashes": "b2f4ab3e70a14c2d9df62f2a4a1f7e11",
    "not base64": "!" * 44,
    "URL-safe base64": base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    "no padding": GOOD_NONCE.rstrip("="),
    "not ASCII": "é" * 44,
}

each_bad_key = pytest.mark.parametrize(("make", "words"), BAD_KEYS.values(), ids=list(BAD_KEYS))
each_bad_nonce = pytest.mark.parametrize("nonce", BAD_NONCES.values(), ids=list(BAD_NONCES))


def seal(peer_key: str, peer_nonce: str) -> str:
    return fidelius.encrypt(
        sender_private_key=VECTOR.sender.private_key,
        sender_nonce=VECTOR.sender.nonce,
        receiver=PublicKeyMaterial(peer_key, peer_nonce),
        plaintext=b"text",
    )


def unseal(peer_key: str, peer_nonce: str, content: str = VECTOR.expected["content"]) -> bytes:
    return fidelius.decrypt(
        receiver_private_key=VECTOR.receiver.private_key,
        receiver_nonce=VECTOR.receiver.nonce,
        sender=PublicKeyMaterial(peer_key, peer_nonce),
        content=content,
    )


@each_bad_key
def test_bad_public_key_is_refused_with_its_cause(
    make: Callable[[], bytes], words: str | None
) -> None:
    key = b64(make())
    for use in (check_peer, seal, unseal):
        with pytest.raises(KeyMaterialInvalid, match=words) as refusal:
            use(key, GOOD_NONCE)
        assert len(key) < 8 or key not in str(refusal.value)


@pytest.mark.parametrize("position", range(len(EXPLICIT) - 64))
def test_any_altered_byte_of_the_explicit_parameters_is_refused(position: int) -> None:
    with pytest.raises(KeyMaterialInvalid):
        check_peer(b64(altered(EXPLICIT, position)), GOOD_NONCE)


@pytest.mark.parametrize("position", range(len(NAMED) - 64))
def test_any_altered_byte_of_the_named_structure_is_refused(position: int) -> None:
    with pytest.raises(KeyMaterialInvalid):
        check_peer(b64(altered(NAMED, position)), GOOD_NONCE)


@pytest.mark.parametrize(
    "text",
    [
        GOOD_KEY.rstrip("="),
        "-" + GOOD_KEY[1:],
        "é" + GOOD_KEY[1:],
        GOOD_KEY + "====",
        GOOD_KEY[:40] + "\u00a0" + GOOD_KEY[40:],
        GOOD_KEY[:40] + "\\u002B" + GOOD_KEY[41:],
    ],
    ids=["no padding", "URL-safe", "not ASCII", "too much padding", "no-break space", "escape"],
)
def test_public_key_in_anything_but_standard_base64_is_refused(text: str) -> None:
    with pytest.raises(KeyMaterialInvalid):
        check_peer(text, GOOD_NONCE)


@each_bad_nonce
def test_bad_nonce_of_the_peer_is_refused(nonce: str) -> None:
    for use in (check_peer, seal, unseal):
        with pytest.raises(KeyMaterialInvalid):
            use(GOOD_KEY, nonce)


@each_bad_nonce
def test_bad_nonce_of_ours_is_refused(nonce: str) -> None:
    with pytest.raises(PrivateKeyInvalid):
        fidelius.encrypt(
            sender_private_key=VECTOR.sender.private_key,
            sender_nonce=nonce,
            receiver=PublicKeyMaterial(GOOD_KEY, GOOD_NONCE),
            plaintext=b"text",
        )


@pytest.mark.parametrize(
    "scalar",
    [b"", b"\0", bytes(32), N.to_bytes(32, "big"), (N + 5).to_bytes(32, "big"), b"\xff" * 32]
    + [b"\x01" + bytes(32), bytes(34), b"\x05".rjust(34, b"\0")],
    ids=["empty", "0", "0 in 32", "n", "n + d", "2^256 - 1", "2^256", "0 in 34", "5 in 34"],
)
def test_bad_private_scalar_is_refused(scalar: bytes) -> None:
    private_key, peer = b64(scalar), PublicKeyMaterial(GOOD_KEY, GOOD_NONCE)
    nonce, content = VECTOR.sender.nonce, VECTOR.expected["content"]
    with pytest.raises(PrivateKeyInvalid) as refusal:
        fidelius.encrypt(
            sender_private_key=private_key, sender_nonce=nonce, receiver=peer, plaintext=b"text"
        )
    assert len(scalar) < 8 or private_key not in str(refusal.value)
    with pytest.raises(PrivateKeyInvalid):
        fidelius.decrypt(
            receiver_private_key=private_key, receiver_nonce=nonce, sender=peer, content=content
        )


SEALED = base64.b64decode(VECTOR.expected["content"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b64(altered(SEALED, len(SEALED) - 1)), "authentication tag"),
        (b64(altered(SEALED, 0)), "authentication tag"),
        (b64(SEALED[:-1]), "authentication tag"),
        (b64(SEALED[:-16]), "authentication tag"),
        (b64(SEALED + b"\0"), "authentication tag"),
        (b64(SEALED[-16:]), "authentication tag"),
        ("", "0 bytes"),
        (b64(SEALED[:8]), "8 bytes"),
        (b64(SEALED[:15]), "15 bytes"),
        ("?" + VECTOR.expected["content"][1:], "base64"),
        (VECTOR.expected["content"] + "A", "base64"),
        (VECTOR.expected["content"].rstrip("=") + "\u00e9", "base64"),
    ],
    ids=["tag flipped", "body flipped", "tag shortened", "tag missing", "extended", "tag alone"]
    + ["empty", "8 bytes", "15 bytes", "foreign character", "too long", "not ASCII"],
)
def test_damaged_content_is_refused(content: str, words: str) -> None:
    sender = VECTOR.sender
    with pytest.raises(DecryptionFailed, match=words) as refusal:
        unseal(sender.public_keys["publicKeyRaw"], sender.nonce, content)
    assert VECTOR.plaintext.decode() not in str(refusal.value)


def test_the_undamaged_content_opens() -> None:
    sender = VECTOR.sender
    assert unseal(sender.public_keys["publicKeyRaw"], sender.nonce) == VECTOR.plaintext


@pytest.fixture
def receiver() -> ReceiverKey:
    return ReceiverKey.generate()


def page_for(receiver: ReceiverKey) -> fidelius.EncryptedPage:
    return encrypt_page(check_peer(receiver.public_key_raw, receiver.nonce), b"text of a page")


def test_key_of_another_page_does_not_open(receiver: ReceiverKey) -> None:
    page, other = page_for(receiver), page_for(receiver)
    for key, nonce in ((other.public_key_x509, page.nonce), (page.public_key_x509, other.nonce)):
        with pytest.raises(DecryptionFailed):
            receiver.decrypt(key, nonce, page.content)


def test_key_of_another_request_does_not_open(receiver: ReceiverKey) -> None:
    page = page_for(receiver)
    with pytest.raises(DecryptionFailed):
        ReceiverKey.generate().decrypt(page.public_key_x509, page.nonce, page.content)


def test_content_above_the_limit_is_refused_before_it_is_decoded(receiver: ReceiverKey) -> None:
    page = page_for(receiver)
    size = len(page.content)
    arguments = (page.public_key_x509, page.nonce)
    assert receiver.decrypt(*arguments, page.content, max_content_length=size)
    with pytest.raises(DecryptionFailed, match=f"at most {size}"):
        # Not base64 at all: had it been decoded first, the sentence would say so.
        receiver.decrypt(*arguments, "!" * (size + 1), max_content_length=size)


@pytest.mark.parametrize("make", [lambda key: b"", lambda key: key[:-1], lambda key: key + b"\0"])
def test_stored_receiver_key_of_the_wrong_length_is_refused(
    receiver: ReceiverKey, make: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(PrivateKeyInvalid):
        ReceiverKey.load(make(receiver.export()))


@pytest.mark.parametrize("position", [0, 10, 70, 100])
def test_stored_receiver_key_with_a_changed_byte_is_refused(
    receiver: ReceiverKey, position: int
) -> None:
    with pytest.raises(PrivateKeyInvalid):
        ReceiverKey.load(altered(receiver.export(), position))


def test_invalid_key_material_is_also_the_error_that_the_protocol_reports() -> None:
    with pytest.raises(protocol_errors.KeyMaterialInvalid) as refusal:
        check_peer(b64(small(4)), GOOD_NONCE)
    assert isinstance(refusal.value, CryptoError)
    assert type(refusal.value).__name__ in protocol_errors.CODES
