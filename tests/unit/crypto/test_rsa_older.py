"""The Health ID service's key: PEM, and PKCS#1 v1.5."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from adapter.crypto.errors import PublishedKeyInvalid
from adapter.crypto.rsa import read_older_key


def pem(bits: int) -> tuple[rsa.RSAPrivateKey, bytes]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return private, private.public_key().public_bytes(serialization.Encoding.PEM, kind)


def test_only_the_holder_of_the_private_key_reads_it() -> None:
    private, text = pem(2048)
    sealed = b64decode(read_older_key(text).encrypt("123456"))
    assert private.decrypt(sealed, padding.PKCS1v15()) == b"123456"


@pytest.mark.parametrize("text", [b"no key", pem(1024)[1]], ids=["no key", "too short"])
def test_what_is_no_key_to_use_is_refused(text: bytes) -> None:
    with pytest.raises(PublishedKeyInvalid, match="Health ID"):
        read_older_key(text)
