"""What goes to the ABHA service encrypted with its published key: Aadhaar numbers, OTPs, mobiles.

Only ABDM can open the result, so nothing here decrypts. The algorithm is the one that the service
names beside the key (M0 and M1, section 4); older pages speak of PKCS#1 v1.5, which V3 refuses.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from adapter.crypto import encodings
from adapter.crypto.errors import PublishedKeyInvalid

#: By the names that Java gives them, which the service uses.
PADDINGS = {
    # SHA-1 is ABDM's choice; OAEP does not lean on its collision resistance.
    "RSA/ECB/OAEPWithSHA-1AndMGF1Padding": OAEP(
        mgf=MGF1(SHA1()),  # noqa: S303
        algorithm=SHA1(),  # noqa: S303
        label=None,
    ),
}
#: The Health ID service of the older generation names none (v1 document, section 3).
OLDER_PADDING = "RSA/ECB/PKCS1Padding"
SMALLEST_KEY_BITS = 2048


@dataclass(frozen=True)
class PublishedKey:
    """A key of the ABHA service and the padding to use with it."""

    key: RSAPublicKey
    algorithm: str

    def encrypt(self, text: str) -> str:
        """`text` for the holder of the private key alone: base64 on one line, new each time."""
        padding = PKCS1v15() if self.algorithm == OLDER_PADDING else PADDINGS[self.algorithm]
        return b64encode(self.key.encrypt(text.encode(), padding)).decode("ascii")


def read_key(public_key: str, algorithm: str) -> PublishedKey:
    """A key as the service publishes it: base64 of a DER SubjectPublicKeyInfo.

    Raises PublishedKeyInvalid for what is no RSA key of 2048 bits or more, and for an algorithm
    that is not known here.
    """
    if algorithm not in PADDINGS:
        raise PublishedKeyInvalid(
            "The ABHA service asks for an encryption that this version does not know; update the "
            "adapter."
        )
    der = encodings.decode_base64(public_key, "The ABHA service's public key", PublishedKeyInvalid)
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY_BITS:
        raise PublishedKeyInvalid("The ABHA service published something that is no RSA key to use.")
    return PublishedKey(key, algorithm)


def read_older_key(pem: bytes) -> PublishedKey:
    """A key as the Health ID service publishes it: PEM text. Raises PublishedKeyInvalid."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY_BITS:
        raise PublishedKeyInvalid(
            "The Health ID service published something that is no RSA key to use."
        )
    return PublishedKey(key, OLDER_PADDING)
