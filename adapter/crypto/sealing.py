"""Sealing at rest: columns encrypted under SEAL_KEYS, and keyed hashes of short secrets.

`Sealer` wraps MultiFernet (AES-128-CBC with HMAC-SHA256): the first key seals, all keys open, so a
new key is put first, `rotate` re-seals each column, and only then the old key is removed.

Keyed hashes serve what is only ever compared: OTPs and push tokens. They cannot be re-sealed, so
they are looked up and compared under every key (`keyed_hashes`, `matches`) and die with their key.
Each key's hash key is derived apart from its sealing use.

Sources: the Fernet specification; RFC 2104 (HMAC); RFC 5869 (HKDF).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapter.crypto import encodings
from adapter.crypto.errors import SealBroken, SealKeysInvalid

_HASH_KEY_INFO = b"abdm-adapter keyed hash v1"


def generate_seal_key() -> str:
    """A fresh key for SEAL_KEYS: 32 random bytes in URL-safe base64, 44 characters."""
    return Fernet.generate_key().decode("ascii")


class Sealer:
    """Seals and hashes under a list of keys, the newest first. Its `repr` shows nothing.

    Args:
        keys: entries of SEAL_KEYS, each as `generate_seal_key` makes them.

    Raises:
        SealKeysInvalid: no key, or an entry that is not one; the sentence gives its place.
    """

    __slots__ = ("_fernet", "_hash_keys")

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise SealKeysInvalid(
                "SEAL_KEYS is empty; put in at least one key: 32 random bytes in URL-safe base64."
            )
        materials = [_read_key(key, place) for place, key in enumerate(keys, 1)]
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in materials])
        self._hash_keys = tuple(_hash_key(key) for key in materials)

    def __repr__(self) -> str:
        return "<Sealer>"

    def seal(self, plaintext: bytes) -> bytes:
        """`plaintext` encrypted and authenticated under the first key, as ASCII bytes."""
        return self._fernet.encrypt(plaintext)

    def open(self, sealed: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            SealBroken: altered, or sealed under a key that is no longer in SEAL_KEYS.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise _broken() from None

    def rotate(self, sealed: bytes) -> bytes:
        """The same plaintext sealed under the first key.

        Raises:
            SealBroken: as `open`.
        """
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise _broken() from None

    def keyed_hash(self, value: str, *, purpose: str) -> str:
        """HMAC-SHA256 of `value` under the first key, 64 hex digits: the form to store.

        Args:
            value: the secret, an OTP or a push token.
            purpose: what it is for, so that equal values of two purposes differ. Short secrets take
                their row's id into it (`otp:<link reference>`). Must not contain NUL.
        """
        return self.keyed_hashes(value, purpose=purpose)[0]

    def keyed_hashes(self, value: str, *, purpose: str) -> list[str]:
        """`keyed_hash` under every key, the first key's first: the values to look a row up by."""
        if "\0" in purpose:
            raise ValueError("The purpose of a keyed hash must not contain NUL.")
        message = f"{purpose}\0{value}".encode()
        return [hmac.digest(key, message, "sha256").hex() for key in self._hash_keys]

    def matches(self, value: str, stored: str, *, purpose: str) -> bool:
        """Whether `stored` is the keyed hash of `value` under any key; in constant time."""
        expected = stored.encode()
        found = False
        for candidate in self.keyed_hashes(value, purpose=purpose):
            found |= hmac.compare_digest(candidate.encode(), expected)
        return found


def _read_key(key: str, place: int) -> bytes:
    """32 bytes, decoded strictly: Fernet itself skips foreign characters, so a mistyped key would
    pass and open nothing."""
    what = f"Entry {place} of SEAL_KEYS"
    material = encodings.decode_base64(
        key.replace("-", "+").replace("_", "/"), what, SealKeysInvalid
    )
    if len(material) != 32:
        raise SealKeysInvalid(
            f"{what} is {len(material)} bytes long; it must be 32 random bytes in URL-safe base64,"
            " 44 characters."
        )
    return material


def _hash_key(material: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=_HASH_KEY_INFO).derive(material)


def _broken() -> SealBroken:
    return SealBroken(
        "Sealed data cannot be opened: it was altered, or its key is no longer in SEAL_KEYS. Put"
        " the key it was sealed with back at the end of SEAL_KEYS, then run"
        " `abdm-adapter keys rotate`."
    )
