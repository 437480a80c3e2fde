"""What goes to the ABHA service is for ABDM alone, by the padding it names beside its key."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapter.crypto.errors import PublishedKeyInvalid
from adapter.crypto.rsa import read_key

NAMED = "RSA/ECB/OAEPWithSHA-1AndMGF1Padding"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def published(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


@pytest.mark.parametrize("text", ["999900001238", "123456", "91-5512-7788-3406", "नमस्ते@sbx"])
def test_only_the_holder_of_the_private_key_reads_it(text: str) -> None:
    encrypted = read_key(published(PRIVATE.public_key()), NAMED).encrypt(text)
    padding = OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None)
    assert PRIVATE.decrypt(b64decode(encrypted), padding).decode() == text
    assert "\n" not in encrypted


def test_equal_values_look_different() -> None:
    key = read_key(published(PRIVATE.public_key()), NAMED)
    assert key.encrypt("123456") != key.encrypt("123456")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (published(PRIVATE.public_key()), "RSA/ECB/PKCS1Padding"),
        ("", NAMED),
        ("bm8ga2V5", NAMED),
        (published(ec.generate_private_key(ec.SECP256R1()).public_key()), NAMED),
        (published(rsa.generate_private_key(65537, 1024).public_key()), NAMED),
    ],
)
def test_a_key_or_padding_that_cannot_be_trusted_is_refused(key: str, algorithm: str) -> None:
    with pytest.raises(PublishedKeyInvalid):
        read_key(key, algorithm)
