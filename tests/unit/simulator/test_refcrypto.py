"""The reference key agreement reproduces the published vectors and refuses what it must."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import schemas
from conformance.simulator import refcrypto
from conformance.simulator.refcrypto import KeyAgreementError, KeyForm, KeyPair, Point

VECTORS = json.loads(
    (Path(refcrypto.__file__).parents[1] / "vectors" / "page_encryption.json").read_text("utf-8")
)
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


def pair(side: dict[str, str]) -> KeyPair:
    private = int.from_bytes(base64.b64decode(side["privateKey"]))
    return KeyPair(private, refcrypto.public_point(private), base64.b64decode(side["nonce"]))


def plaintext(vector: dict[str, Any]) -> bytes:
    if "plaintext" in vector:
        return str(vector["plaintext"]).encode()
    parts = vector["plaintextParts"]
    text = parts["prefix"] + parts["unit"] * parts["repeat"] + parts["suffix"]
    return str(text).encode()


@each_vector
def test_public_keys_are_written_in_all_three_forms(vector: dict[str, Any]) -> None:
    for side in (vector["sender"], vector["receiver"]):
        point = pair(side).public
        assert refcrypto.encode_point(point, "raw") == side["publicKeyRaw"]
        assert refcrypto.encode_point(point, "x509-explicit") == side["publicKeyX509"]
        assert refcrypto.encode_point(point, "x509-named") == side["publicKeyX509Named"]


@each_vector
def test_content_is_the_vectors_and_decrypts(vector: dict[str, Any]) -> None:
    sender, receiver = pair(vector["sender"]), pair(vector["receiver"])
    text = plaintext(vector)
    content = refcrypto.encrypt(sender, receiver.public, receiver.nonce, text)
    if "content" in vector:
        assert content == vector["content"]
    else:
        sealed = base64.b64decode(content)
        assert hashlib.sha256(sealed).hexdigest() == vector["contentSha256"]
    assert refcrypto.decrypt(receiver, sender.public, sender.nonce, content) == text


def test_worked_example_of_the_contract() -> None:
    """V3 contract 9.4."""
    hiu = int("04813d1954d7790a0e3de5e1616e7532d8e90221cce49d417076966a06a9b6aa", 16)
    hip = refcrypto.decode_point(
        "BDvm4TUEGBaj6Kri/hGq5gniaDD4JYMUsfCcvMvuKDDEf9iGi5dtvD2oRrqrJq57UiWXvztkp5xHOa9j7a3nUCc="
    )
    secret = refcrypto.shared_secret(hiu, hip)
    assert secret.hex() == "3c85060fb35816f0c13172fa5a03c8171d4b4eb68f55ab75bea39b09654cb1fe"
    key, iv = refcrypto.derive(
        secret,
        refcrypto.decode_nonce("vSRG+moRUk++7aSpHT882dZm+Vot2m1uhlQDhfDihSY="),
        refcrypto.decode_nonce("ij934NijJy4Kyiaa4w45Rn2nEjmBDJGE+qBmzy1BSD8="),
    )
    assert key.hex() == "e90a6438591a1237b43e9b073410f3f800c5eab0f4faae55ea9fe2fb17ade24c"
    assert iv.hex() == "acd6fcea7cf4654adda3cd19"


SCALARS = st.integers(1, refcrypto.N - 1)


@settings(max_examples=15, deadline=None)
@given(one=SCALARS, other=SCALARS, form=st.sampled_from(get_args(KeyForm)))
def test_both_sides_agree_and_keys_survive_writing(one: int, other: int, form: KeyForm) -> None:
    mine, theirs = refcrypto.public_point(one), refcrypto.public_point(other)
    assert refcrypto.decode_point(refcrypto.encode_point(mine, form)) == mine
    assert refcrypto.shared_secret(one, theirs) == refcrypto.shared_secret(other, mine)


def off_curve() -> Point:
    x, y = refcrypto.G
    return (x, y + 1)


LOW_ORDER: Point = (0x2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2451, 0)


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (off_curve(), "not a point"),
        (LOW_ORDER, "prime order"),
        ((refcrypto.G[0] + refcrypto.P, refcrypto.G[1]), "not below the prime"),
    ],
    ids=["off the curve", "of order two", "not reduced"],
)
def test_bad_points_are_refused(point: Point, reason: str) -> None:
    with pytest.raises(KeyAgreementError, match=reason):
        refcrypto.shared_secret(5, point)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x02" + refcrypto.G[0].to_bytes(32),
        b"\x06" + bytes(64),
        bytes(64),
        bytes(32),
        base64.b64decode(refcrypto.encode_point(refcrypto.G, "x509-named"))[:-1],
        base64.b64decode(refcrypto.encode_point(refcrypto.G, "x509-explicit")) + b"\x00",
    ],
    ids=["empty", "infinity", "compressed", "hybrid", "no 04", "x25519", "cut", "extended"],
)
def test_other_key_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(KeyAgreementError, match="none of the three"):
        refcrypto.decode_point(base64.b64encode(data).decode())


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_nonce_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(KeyAgreementError, match="32"):
        refcrypto.decode_nonce(base64.b64encode(bytes(size)).decode())


def test_changed_content_is_refused() -> None:
    mine, theirs = refcrypto.generate_key_pair(), refcrypto.generate_key_pair()
    content = refcrypto.encrypt(mine, theirs.public, theirs.nonce, b"text")
    sealed = base64.b64decode(content)
    for broken in (b"", sealed[:8], sealed[:-1], bytes([sealed[0] ^ 1]) + sealed[1:]):
        text = base64.b64encode(broken).decode()
        with pytest.raises(KeyAgreementError):
            refcrypto.decrypt(theirs, mine.public, mine.nonce, text)


def test_key_material_fits_the_contract() -> None:
    for form in get_args(KeyForm):
        material = refcrypto.key_material(refcrypto.generate_key_pair(), form, datetime.now(UTC))
        assert schemas.definition("KeyMaterial").is_valid(material)
