"""Page encryption agrees byte for byte with the vectors and with plain curve arithmetic."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.crypto import curve, encodings, fidelius
from adapter.crypto.errors import ComputationFault
from adapter.crypto.fidelius import PublicKeyMaterial, ReceiverKey, check_peer, encrypt_page
from tests.unit.crypto import page_vectors, reference
from tests.unit.crypto.page_vectors import ENCODINGS, VECTORS, Vector

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=str)
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)

SCALARS = st.integers(min_value=1, max_value=reference.ORDER - 1)
NONCES = st.binary(min_size=32, max_size=32)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def raw_key(point: tuple[int, int]) -> bytes:
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def reference_point(scalar: int) -> tuple[int, int]:
    point = reference.multiply(scalar, reference.BASE)
    assert point is not None
    return point


def point_of(key_b64: str) -> tuple[int, int]:
    key = base64.b64decode(key_b64)
    return int.from_bytes(key[-64:-32], "big"), int.from_bytes(key[-32:], "big")


def assert_content(vector: Vector, content: bytes) -> None:
    """`content` (decoded) is what the vector says, whole or by length, hash and tag."""
    expected = vector.expected
    if "content" in expected:
        assert b64(content) == expected["content"]
    else:
        assert len(content) == expected["contentBytes"]
        assert hashlib.sha256(content).hexdigest() == expected["contentSha256"]
        assert content[-16:].hex() == expected["contentTag"]


def test_there_are_24_vectors() -> None:
    assert len(page_vectors.BY_ID) == 24


@each_encoding
@each_vector
def test_vector_is_encrypted_to_the_same_bytes(vector: Vector, encoding: str) -> None:
    content = fidelius.encrypt(
        sender_private_key=vector.sender.private_key,
        sender_nonce=vector.sender.nonce,
        receiver=PublicKeyMaterial(vector.receiver.public_keys[encoding], vector.receiver.nonce),
        plaintext=vector.plaintext,
    )
    assert_content(vector, base64.b64decode(content))


@each_encoding
@each_vector
def test_vector_is_decrypted_to_the_same_text(vector: Vector, encoding: str) -> None:
    content = vector.expected.get("content") or fidelius.encrypt(
        sender_private_key=vector.sender.private_key,
        sender_nonce=vector.sender.nonce,
        receiver=PublicKeyMaterial(
            vector.receiver.public_keys["publicKeyRaw"], vector.receiver.nonce
        ),
        plaintext=vector.plaintext,
    )
    plaintext = fidelius.decrypt(
        receiver_private_key=vector.receiver.private_key,
        receiver_nonce=vector.receiver.nonce,
        sender=PublicKeyMaterial(vector.sender.public_keys[encoding], vector.sender.nonce),
        content=content,
    )
    assert plaintext == vector.plaintext


@each_vector
def test_plain_curve_arithmetic_agrees_with_the_vector(vector: Vector) -> None:
    own_nonce = base64.b64decode(vector.sender.nonce)
    peer_nonce = base64.b64decode(vector.receiver.nonce)
    z = reference.shared_x(vector.sender.scalar, vector.receiver.point)
    salt, iv, key = reference.derive(z, own_nonce, peer_nonce)
    between = {"sharedX": z.hex(), "salt": salt.hex(), "iv": iv.hex(), "key": key.hex()}
    assert between == vector.expected["between"]
    content = reference.encrypt(
        vector.sender.scalar, vector.receiver.point, own_nonce, peer_nonce, vector.plaintext
    )
    assert_content(vector, content)


@pytest.mark.parametrize("side", ["sender", "receiver"])
@each_vector
def test_vector_public_keys_are_written_in_both_forms(vector: Vector, side: str) -> None:
    keys = getattr(vector, side).public_keys
    for encoding in ENCODINGS:
        point = encodings.read_public_key(keys[encoding])
        assert encodings.write_raw(*point) == keys["publicKeyRaw"]
        assert encodings.write_x509(*point) == keys["publicKeyX509"]


def test_explicit_x509_prefix_is_the_published_one() -> None:
    prefix = base64.b64decode(encodings.write_x509(0, 0))[:-64]
    assert len(prefix) == 245
    assert (
        hashlib.sha256(prefix).hexdigest()
        == "2fa398fdae5209befa2fa2c2920bd3bb5c009792c088c938935d3152f6b053eb"
    )


def test_curve_parameters_match_those_derived_from_rfc_7748() -> None:
    assert (curve.A, curve.B) == (reference.A, reference.B)
    assert (curve.GX, curve.GY) == reference.BASE
    assert (curve.P, curve.N) == (reference.FIELD, reference.ORDER)
    assert (reference.BASE[0] - 9) % reference.FIELD == curve.DELTA
    assert reference.multiply(reference.ORDER, reference.BASE) is None


# The awkward scalars: shaped and split ones, both signs, both ends of the range.
@pytest.mark.parametrize(
    "scalar",
    [1, 2, 7, 8, 9, 16, 24, 8000, *(reference.ORDER - d for d in (1, 2, 8, 16, 24))],
)
@pytest.mark.parametrize("padding", [0, 32, 33])
def test_awkward_private_scalar_works_as_sender_and_receiver(scalar: int, padding: int) -> None:
    size = padding or (scalar.bit_length() + 7) // 8
    private_key = b64(scalar.to_bytes(size, "big"))
    own_point = reference_point(scalar)
    receiver = ReceiverKey.generate()
    own_nonce = bytes(range(32))

    content = fidelius.encrypt(
        sender_private_key=private_key,
        sender_nonce=b64(own_nonce),
        receiver=PublicKeyMaterial(receiver.public_key_raw, receiver.nonce),
        plaintext=b"text",
    )

    assert base64.b64decode(content) == reference.encrypt(
        scalar,
        point_of(receiver.public_key_raw),
        own_nonce,
        base64.b64decode(receiver.nonce),
        b"text",
    )
    assert receiver.decrypt(b64(raw_key(own_point)), b64(own_nonce), content) == b"text"


def test_ordinary_scalars_are_imported_whole_and_small_multiples_of_8_are_split() -> None:
    ordinary = [curve.ImportedScalar(reference.draw_scalar()) for _ in range(50)]
    assert {len(scalar._factors) for scalar in ordinary} == {1}
    awkward = [curve.ImportedScalar(d) for d in (8, 16, reference.ORDER - 8)]
    assert {len(scalar._factors) for scalar in awkward} == {2}


@settings(max_examples=25, deadline=None)
@given(sender=SCALARS, receiver=SCALARS, nonces=st.tuples(NONCES, NONCES), plaintext=st.binary())
def test_any_keys_and_nonces_give_what_plain_arithmetic_gives(
    sender: int, receiver: int, nonces: tuple[bytes, bytes], plaintext: bytes
) -> None:
    receiver_point = reference_point(receiver)
    expected = reference.encrypt(sender, receiver_point, *nonces, plaintext)

    content = fidelius.encrypt(
        sender_private_key=encodings.write_private_key(sender),
        sender_nonce=b64(nonces[0]),
        receiver=PublicKeyMaterial(b64(raw_key(receiver_point)), b64(nonces[1])),
        plaintext=plaintext,
    )
    assert base64.b64decode(content) == expected

    decrypted = fidelius.decrypt(
        receiver_private_key=encodings.write_private_key(receiver),
        receiver_nonce=b64(nonces[1]),
        sender=PublicKeyMaterial(b64(raw_key(reference_point(sender))), b64(nonces[0])),
        content=content,
    )
    assert decrypted == plaintext


@pytest.mark.parametrize("_", range(20))
def test_generated_public_key_is_exactly_the_private_scalar_times_the_base_point(_: int) -> None:
    key = fidelius.generate_key()
    scalar = int.from_bytes(base64.b64decode(key.private_key), "big")
    assert len(base64.b64decode(key.private_key)) == 32
    assert 0 < scalar < reference.ORDER
    assert point_of(key.public_key) == reference_point(scalar)
    assert point_of(key.x509_public_key) == reference_point(scalar)
    assert len(base64.b64decode(key.nonce)) == 32


@pytest.mark.parametrize("_", range(20))
def test_own_keys_have_the_shape_that_x25519_leaves_alone(_: int) -> None:
    raw = curve.draw_private_key().private_bytes_raw()
    assert raw[0] % 8 == 0
    assert raw[31] >> 6 == 1


def test_the_scalar_whose_neighbour_leaves_the_range_is_caught() -> None:
    largest = (2**255 - 8).to_bytes(32, "little")
    with pytest.raises(ComputationFault):
        curve.public_point(X25519PrivateKey.from_private_bytes(largest))


@settings(max_examples=60, deadline=None)
@given(plaintext=st.binary(max_size=3000))
def test_page_round_trips_to_the_receiver(plaintext: bytes) -> None:
    receiver = ReceiverKey.generate()
    peer = check_peer(receiver.public_key_raw, receiver.nonce)
    page = encrypt_page(peer, plaintext)
    assert receiver.decrypt(page.public_key_x509, page.nonce, page.content) == plaintext


@pytest.mark.parametrize(
    "text",
    ["", "x", "मरीज़ को बुखार है", "😷🩺", "a\0b", "line\u2028line", "\ufeffbom", "ab" * 524288],
    ids=["empty", "one byte", "Hindi", "emoji", "NUL", "U+2028", "BOM", "1 MB"],
)
def test_text_arrives_exactly(text: str) -> None:
    receiver = ReceiverKey.generate()
    page = encrypt_page(check_peer(receiver.public_key_x509, receiver.nonce), text.encode())
    assert receiver.decrypt(page.public_key_x509, page.nonce, page.content).decode() == text


def test_page_is_read_by_plain_curve_arithmetic() -> None:
    scalar, nonce = reference.draw_scalar(), bytes(range(32, 64))
    page = encrypt_page(check_peer(b64(raw_key(reference_point(scalar))), b64(nonce)), b"page")
    sealed = base64.b64decode(page.content)
    sender = point_of(page.public_key_x509)
    # `decrypt` of the reference XORs the nonces, so their order does not matter.
    own = reference.decrypt(scalar, sender, base64.b64decode(page.nonce), nonce, sealed)
    assert own == b"page"


def test_each_page_has_its_own_key_and_nonce() -> None:
    receiver = ReceiverKey.generate()
    peer = check_peer(receiver.public_key_raw, receiver.nonce)
    pages = [encrypt_page(peer, b"same text") for _ in range(50)]
    assert len({page.public_key_x509 for page in pages}) == 50
    assert len({page.nonce for page in pages}) == 50
    assert len({page.content for page in pages}) == 50


def test_page_key_whose_shared_x_starts_with_a_zero_byte_is_never_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Receiver of P20, and its sender's key, which together give such a Z, offered first.
    vector = page_vectors.BY_ID["P20"]
    k = next(
        k
        for t in range(8)
        for k in (
            vector.sender.scalar + t * curve.N,
            8 * curve.N - vector.sender.scalar - t * curve.N,
        )
        if k % 8 == 0 and k >> 254 == 1
    )
    unlucky = X25519PrivateKey.from_private_bytes(k.to_bytes(32, "little"))
    peer = check_peer(vector.receiver.public_keys["publicKeyRaw"], vector.receiver.nonce)
    assert curve.shared_x(unlucky, peer.point)[0] == 0

    draw, drawn = curve.draw_private_key, [unlucky, unlucky]
    monkeypatch.setattr(curve, "draw_private_key", lambda: drawn.pop() if drawn else draw())
    page = encrypt_page(peer, b"text")

    assert not drawn
    z = reference.shared_x(vector.receiver.scalar, point_of(page.public_key_x509))
    assert z[0] != 0


def test_receiver_key_survives_export_and_load() -> None:
    key = ReceiverKey.generate()
    loaded = ReceiverKey.load(key.export())
    page = encrypt_page(check_peer(key.public_key_raw, key.nonce), b"late page")
    assert loaded.decrypt(page.public_key_x509, page.nonce, page.content) == b"late page"
    assert loaded.public_key_raw == key.public_key_raw
    assert loaded.nonce == key.nonce


def test_negated_y_of_a_peer_decrypts_all_the_same() -> None:
    receiver = ReceiverKey.generate()
    page = encrypt_page(check_peer(receiver.public_key_raw, receiver.nonce), b"text")
    x, y = point_of(page.public_key_x509)
    negated = encodings.write_x509(x, curve.P - y)
    assert receiver.decrypt(negated, page.nonce, page.content) == b"text"


@pytest.mark.parametrize("whitespace", ["\n", "\r\n", " ", "\t"])
def test_whitespace_inside_base64_is_ignored(whitespace: str) -> None:
    receiver = ReceiverKey.generate()
    peer = check_peer(f"{receiver.public_key_raw}{whitespace}", f"{whitespace}{receiver.nonce}")
    page = encrypt_page(peer, b"some text" * 20)
    lines = [page.content[i : i + 76] for i in range(0, len(page.content), 76)]
    content = whitespace.join(lines) + whitespace
    for form in (content, content.encode()):
        assert receiver.decrypt(page.public_key_x509, page.nonce, form) == b"some text" * 20


def test_repr_of_anything_with_a_secret_shows_nothing() -> None:
    key = fidelius.generate_key()
    receiver = ReceiverKey.generate()
    peer = check_peer(receiver.public_key_raw, receiver.nonce)
    scalar = encodings.read_private_key(key.private_key)
    page = encrypt_page(peer, b"text")
    shown = " ".join(repr(thing) for thing in (key, receiver, peer, scalar, page))
    for secret in (
        key.private_key,
        key.nonce,
        receiver.nonce,
        receiver.export().hex(),
        page.content,
    ):
        assert secret not in shown
    assert str(receiver) == "<ReceiverKey>"
