"""Sealing at rest keeps data through key rotation and lets nothing else open it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.crypto.errors import SealBroken, SealKeysInvalid
from adapter.crypto.sealing import Sealer, generate_seal_key

OLD, NEW, OTHER = generate_seal_key(), generate_seal_key(), generate_seal_key()


@given(st.binary(max_size=2000))
def test_sealed_bytes_open_to_the_same_bytes(plaintext: bytes) -> None:
    sealer = Sealer([NEW])
    assert sealer.open(sealer.seal(plaintext)) == plaintext


def test_sealing_the_same_bytes_twice_gives_different_bytes() -> None:
    sealer = Sealer([NEW])
    assert sealer.seal(b"same") != sealer.seal(b"same")


def test_plaintext_does_not_show_in_sealed_bytes() -> None:
    sealed = Sealer([NEW]).seal(b"canary-9876")
    assert b"canary" not in sealed
    assert b"canary" not in base64.urlsafe_b64decode(sealed)


def test_old_key_at_the_end_still_opens() -> None:
    sealed = Sealer([OLD]).seal(b"text")
    assert Sealer([NEW, OLD]).open(sealed) == b"text"


def test_after_rotation_the_old_key_is_no_longer_needed() -> None:
    rotated = Sealer([NEW, OLD]).rotate(Sealer([OLD]).seal(b"text"))
    assert Sealer([NEW]).open(rotated) == b"text"


def test_new_data_is_sealed_under_the_first_key() -> None:
    sealed = Sealer([NEW, OLD]).seal(b"text")
    assert Sealer([NEW]).open(sealed) == b"text"
    with pytest.raises(SealBroken):
        Sealer([OLD]).open(sealed)


@pytest.mark.parametrize("operation", ["open", "rotate"])
@pytest.mark.parametrize("damage", ["other key", "flipped", "cut", "empty", "foreign bytes"])
def test_what_no_key_opens_is_refused_with_a_sentence(operation: str, damage: str) -> None:
    sealed = Sealer([NEW]).seal(b"text")
    broken = {
        "other key": Sealer([OTHER]).seal(b"text"),
        "flipped": sealed[:30] + (b"A" if sealed[30:31] != b"A" else b"B") + sealed[31:],
        "cut": sealed[:-4],
        "empty": b"",
        "foreign bytes": b"\xff\x00\xff",
    }[damage]
    with pytest.raises(SealBroken, match="SEAL_KEYS"):
        getattr(Sealer([NEW, OLD]), operation)(broken)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "empty"),
        (["short"], "Entry 1"),
        ([NEW, ""], "Entry 2"),
        ([NEW, OLD, NEW[:-2] + "=="], "Entry 3"),
        ([base64.b64encode(bytes(31)).decode()], "31 bytes"),
        ([base64.b64encode(bytes(33)).decode()], "33 bytes"),
        ([NEW[:20] + "!!" + NEW[20:]], "Entry 1"),
        (["é" * 44], "Entry 1"),
    ],
    ids=["none", "short", "empty", "cut", "31 bytes", "33 bytes", "foreign", "not ASCII"],
)
def test_bad_seal_keys_are_refused_by_their_place(keys: list[str], words: str) -> None:
    with pytest.raises(SealKeysInvalid, match=words) as refusal:
        Sealer(keys)
    assert all(key not in str(refusal.value) for key in keys if len(key) > 5)


def test_keyed_hash_is_found_after_a_key_is_put_in_front() -> None:
    stored = Sealer([OLD]).keyed_hash("token", purpose="push")
    rotated = Sealer([NEW, OLD])
    assert stored in rotated.keyed_hashes("token", purpose="push")
    assert rotated.matches("token", stored, purpose="push")
    assert rotated.keyed_hash("token", purpose="push") != stored


@pytest.mark.parametrize("key", [NEW, OTHER, OLD], ids=["first", "middle", "last"])
def test_keyed_hash_under_any_key_matches(key: str) -> None:
    stored = Sealer([key]).keyed_hash("token", purpose="push")
    assert Sealer([NEW, OTHER, OLD]).matches("token", stored, purpose="push")


def test_keyed_hash_dies_with_its_key() -> None:
    stored = Sealer([OLD]).keyed_hash("token", purpose="push")
    assert not Sealer([NEW]).matches("token", stored, purpose="push")


def test_first_of_the_keyed_hashes_is_the_one_to_store() -> None:
    sealer = Sealer([NEW, OLD])
    hashes = sealer.keyed_hashes("token", purpose="push")
    assert len(set(hashes)) == 2
    assert hashes[0] == sealer.keyed_hash("token", purpose="push")
    assert Sealer([NEW]).keyed_hash("token", purpose="push") == hashes[0]


@pytest.mark.parametrize(
    ("value", "purpose"),
    [("123457", "otp:1"), ("123456", "otp:2"), ("", "otp:1"), ("1\u0000", "otp:1")],
)
def test_another_value_or_purpose_does_not_match(value: str, purpose: str) -> None:
    sealer = Sealer([NEW])
    stored = sealer.keyed_hash("123456", purpose="otp:1")
    assert sealer.matches("123456", stored, purpose="otp:1")
    assert not sealer.matches(value, stored, purpose=purpose)


@pytest.mark.parametrize("stored", ["", "x", "é"])
def test_damaged_stored_hash_matches_nothing(stored: str) -> None:
    assert not Sealer([NEW]).matches("123456", stored, purpose="otp:1")


def test_value_and_purpose_cannot_run_into_each_other() -> None:
    with pytest.raises(ValueError, match="NUL"):
        Sealer([NEW]).keyed_hash("1", purpose="a\0b")


def test_keyed_hash_is_not_a_plain_hash_under_the_seal_key() -> None:
    # Losing the hash key must not lose the sealing key: it is derived, never the key itself.
    sealer = Sealer([NEW])
    assert base64.urlsafe_b64decode(NEW) not in sealer._hash_keys


def test_repr_shows_nothing() -> None:
    assert repr(Sealer([NEW, OLD])) == "<Sealer>"


def test_generated_keys_differ_and_are_44_characters() -> None:
    assert len({generate_seal_key() for _ in range(20)}) == 20
    assert all(len(generate_seal_key()) == 44 for _ in range(20))
