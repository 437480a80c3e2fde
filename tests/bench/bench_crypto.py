"""Page encryption against the calls nobody can avoid, and against two packages from PyPI.

    python -m tests.bench.bench_crypto [--json]

The floor of each row is the same sequence of bare library calls on prepared arguments: key pair,
second public key (for y), subgroup test, exchange, HKDF, AES-GCM, base64. It lacks the curve
arithmetic, the parsing and the checks. Needs nothing but the virtual environment; pyfidelius also
wants Java.
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import logging
import os
import shutil
from collections.abc import Iterator

import pybase64
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapter.crypto.fidelius import (
    PublicKeyMaterial,
    ReceiverKey,
    check_peer,
    decrypt,
    encrypt,
    encrypt_page,
    generate_key,
)
from tests.bench.harness import Row, compare, report

SIZES = {"5 KB": 5_000, "200 KB": 200_000, "5 MB": 5_000_000}
AIMS = {"5 KB": 1.6, "200 KB": 1.3, "5 MB": 1.3}
BARE = "bare calls"

# Arguments of the bare calls, prepared once: what they hold does not change what they cost.
PRIVATE = X25519PrivateKey.generate()
PEER_BYTES = X25519PrivateKey.generate().public_key().public_bytes_raw()
SCALAR_BYTES = PRIVATE.private_bytes_raw()
SALT, IV, NONCE = os.urandom(20), os.urandom(12), os.urandom(32)
RAW_KEY, X509_KEY = os.urandom(65), os.urandom(309)
RAW_KEY_B64, X509_KEY_B64, NONCE_B64 = map(pybase64.b64encode_as_string, (RAW_KEY, X509_KEY, NONCE))


def document(size: int) -> str:
    """JSON of about `size` bytes, a few of them Devanagari."""
    unit = '{"text":"रक्तचाप","value":"blood pressure 120/80 mmHg, repeated in the evening"},'
    count = size // len(unit.encode())
    return '{"resourceType":"Bundle","entry":[' + unit * count + "{}]}"


def bare_check_peer(key_b64: str) -> X25519PublicKey:
    pybase64.b64decode(key_b64, validate=True)
    pybase64.b64decode(NONCE_B64, validate=True)
    peer = X25519PublicKey.from_public_bytes(PEER_BYTES)
    PRIVATE.exchange(peer)  # the subgroup test
    return peer


def bare_cipher(private_key: X25519PrivateKey, peer: X25519PublicKey) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, SALT, b"").derive(private_key.exchange(peer)))


def bare_encrypt(peer: X25519PublicKey, plaintext: bytes) -> str:
    own = X25519PrivateKey.generate()
    own.public_key().public_bytes_raw()
    X25519PrivateKey.from_private_bytes(SCALAR_BYTES).public_key().public_bytes_raw()  # for y
    content = pybase64.b64encode_as_string(bare_cipher(own, peer).encrypt(IV, plaintext, None))
    pybase64.b64encode_as_string(X509_KEY)
    pybase64.b64encode_as_string(os.urandom(32))
    return content


def bare_decrypt(content: str, aes: AESGCM) -> bytes:
    """Decrypts with the right AES key, after deriving one like it."""
    bare_cipher(PRIVATE, bare_check_peer(X509_KEY_B64))
    return aes.decrypt(IV, pybase64.b64decode(content, validate=True), None)


def against_bare_calls() -> Iterator[Row]:
    receiver = ReceiverKey.generate()
    key, nonce = receiver.public_key_raw, receiver.nonce
    peer, bare_peer = check_peer(key, nonce), X25519PublicKey.from_public_bytes(PEER_BYTES)
    aes = bare_cipher(PRIVATE, bare_peer)
    for label, size in SIZES.items():
        plaintext, aim = document(size).encode(), AIMS[label]
        page = encrypt_page(peer, plaintext)
        bare_content = pybase64.b64encode_as_string(aes.encrypt(IV, plaintext, None))

        yield compare(
            f"encrypt {label}, receiver's key checked",
            lambda text=plaintext: encrypt_page(check_peer(key, nonce), text),
            lambda text=plaintext: bare_encrypt(bare_check_peer(RAW_KEY_B64), text),
            against=BARE,
            aim=aim,
        )
        yield compare(
            f"encrypt {label}, next page to the same receiver",
            lambda text=plaintext: encrypt_page(peer, text),
            lambda text=plaintext: bare_encrypt(bare_peer, text),
            against=BARE,
            aim=aim,
        )
        yield compare(
            f"decrypt {label}",
            lambda page=page: receiver.decrypt(page.public_key_x509, page.nonce, page.content),
            lambda content=bare_content: bare_decrypt(content, aes),
            against=BARE,
            aim=aim,
        )


def against_abdm_ecdh() -> Iterator[Row]:
    """Both take and return text here, so ours pays for the conversion too."""
    try:
        import abdm_ecdh

        name = f"abdm-ecdh {importlib.metadata.version('abdm-ecdh')}"
    except ImportError:
        yield Row("page and decryption", "abdm-ecdh", not_run="the package is not installed")
        return
    receiver = generate_key()
    for label, size in SIZES.items():
        text = document(size)

        def our_page(text: str = text) -> object:
            return encrypt_page(check_peer(receiver.public_key, receiver.nonce), text.encode())

        def their_page(text: str = text) -> object:
            own = abdm_ecdh.generate_key_material()
            return abdm_ecdh.encrypt(
                text, own.nonce, receiver.nonce, own.private_key, receiver.public_key
            )

        sender = generate_key()
        content = encrypt(
            sender_private_key=sender.private_key,
            sender_nonce=sender.nonce,
            receiver=PublicKeyMaterial(receiver.public_key, receiver.nonce),
            plaintext=text.encode(),
        )

        def our_decryption(content: str = content, sender=sender) -> str:
            return decrypt(
                receiver_private_key=receiver.private_key,
                receiver_nonce=receiver.nonce,
                sender=PublicKeyMaterial(sender.x509_public_key, sender.nonce),
                content=content,
            ).decode()

        def their_decryption(content: str = content, sender=sender) -> str:
            return abdm_ecdh.decrypt(
                content,
                sender.nonce,
                receiver.nonce,
                receiver.private_key,
                sender.x509_public_key,
            ).decrypted_data

        assert our_decryption() == their_decryption() == text
        yield compare(f"key pair and encrypt {label}", our_page, their_page, against=name, rounds=5)
        yield compare(f"decrypt {label}", our_decryption, their_decryption, against=name, rounds=5)


def against_pyfidelius() -> Iterator[Row]:
    """Plain text of 5 KB: the package loses decrypted JSON. It starts a Java process per call."""
    label = "5 KB of plain text"
    if shutil.which("java") is None:
        yield Row(label, "pyfidelius", not_run="Java is not installed")
        return
    handlers, level = list(logging.root.handlers), logging.root.level
    try:
        from pyfidelius.cryptography import Cryptography

        name = f"pyfidelius {importlib.metadata.version('pyfidelius')}"
    except ImportError:
        yield Row(label, "pyfidelius", not_run="the package is not installed")
        return
    logging.root.handlers, logging.root.level = handlers, level  # it configures the root logger
    theirs = Cryptography()
    text = "Blood pressure 120 over 80, repeated in the evening. " * 94
    sender, receiver = generate_key(), generate_key()

    def our_encryption() -> str:
        return encrypt(
            sender_private_key=sender.private_key,
            sender_nonce=sender.nonce,
            receiver=PublicKeyMaterial(receiver.public_key, receiver.nonce),
            plaintext=text.encode(),
        )

    def their_encryption() -> str:
        return theirs.encrypt(
            text, sender.nonce, receiver.nonce, sender.private_key, receiver.public_key
        )["encryptedData"]

    content = our_encryption()

    def our_decryption() -> str:
        return decrypt(
            receiver_private_key=receiver.private_key,
            receiver_nonce=receiver.nonce,
            sender=PublicKeyMaterial(sender.public_key, sender.nonce),
            content=content,
        ).decode()

    def their_decryption() -> str:
        return theirs.decrypt(
            content, receiver.nonce, sender.nonce, receiver.private_key, sender.public_key
        )["decryptedData"]

    assert base64.b64decode(their_encryption()) == base64.b64decode(content)
    assert their_decryption() == our_decryption() == text
    yield compare(f"encrypt {label}", our_encryption, their_encryption, against=name, rounds=3)
    yield compare(f"decrypt {label}", our_decryption, their_decryption, against=name, rounds=3)


def run() -> list[Row]:
    """All comparisons, in the order they are printed."""
    return [*against_bare_calls(), *against_abdm_ecdh(), *against_pyfidelius()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bench of page encryption")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    report("Page encryption", run(), as_json=arguments.json)
