"""ABDM key agreement and page encryption ("Fidelius"), in process.

    Z       x of (own scalar * peer's point), 32 bytes big-endian        curve.py
    X       sender's nonce XOR receiver's nonce; salt = X[:20], iv = X[20:]
    key     HKDF-SHA256(Z, salt, no info, 32 bytes)
    content base64(AES-256-GCM(key, iv, plaintext, no associated data) || 16-byte tag)

One key material fixes one AES key *and* one IV, so two documents under it would give away the XOR
of the two and the authentication key. Therefore `encrypt_page`, what a HIP uses, draws its own key
pair and nonce on each call and takes none. A HIU keeps one `ReceiverKey` for each request.
`encrypt` and `decrypt` with supplied keys exist for the command line and for tests.

A page above some 500 KB is worth a thread of its own in an async server; smaller ones are not.

Sources: NHA's encryption guideline and Fidelius implementation; RFC 5869; NIST SP 800-38D.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapter.crypto import curve, encodings
from adapter.crypto.errors import DecryptionFailed, KeyMaterialInvalid, PrivateKeyInvalid

MAX_CONTENT_LENGTH = 64 * 1024 * 1024
"""Characters of base64 in one entry; a 10 MB scan is 14 MB in its Bundle and 19 MB as content."""

_SALT_BYTES = 20
_TAG_BYTES = 16
_EXPORT_VERSION = b"\x01"
_EXPORT_BYTES = 1 + 32 + encodings.NONCE_BYTES + 64


@dataclass(frozen=True)
class PublicKeyMaterial:
    """What one side publishes: `dhPublicKey.keyValue` and `nonce`, base64 as on the wire."""

    key: str
    nonce: str


@dataclass(frozen=True, slots=True, repr=False)
class PeerKey:
    """A peer's key material, decoded and checked; good for every page sent to that peer."""

    point: X25519PublicKey
    nonce: bytes


@dataclass(frozen=True, slots=True, repr=False)
class EncryptedPage:
    """One encrypted document with the key material that goes into the same page."""

    content: str
    public_key_x509: str
    nonce: str


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedKey:
    """A key pair and nonce in base64, for use outside this process."""

    private_key: str
    public_key: str
    x509_public_key: str
    nonce: str


def check_peer(public_key_b64: str, nonce_b64: str) -> PeerKey:
    """Decode and check a peer's public key (any of the three encodings) and nonce, once.

    Raises:
        KeyMaterialInvalid: wrong encoding, off the curve, not of prime order, nonce not 32 bytes.
    """
    point = curve.check_point(*encodings.read_public_key(public_key_b64))
    return PeerKey(point, encodings.read_nonce(nonce_b64, "peer's", KeyMaterialInvalid))


def encrypt_page(peer: PeerKey, plaintext: bytes) -> EncryptedPage:
    """Encrypt one document for `peer` under a fresh key pair and nonce.

    The public key comes as X.509 with explicit parameters, which every known receiver reads.
    """
    own = curve.draw_private_key()
    z = curve.shared_x(own, peer.point)
    while z[0] == 0:
        # care_abdm drops leading zero bytes of Z and could not decrypt. One key in 128; drawing
        # again keeps 127/128 of the values of Z, which costs no security.
        own = curve.draw_private_key()
        z = curve.shared_x(own, peer.point)
    nonce = os.urandom(encodings.NONCE_BYTES)
    aes, iv = _cipher(z, nonce, peer.nonce)
    return EncryptedPage(
        content=encodings.encode_base64(aes.encrypt(iv, plaintext, None)),
        public_key_x509=encodings.write_x509(*curve.public_point(own)),
        nonce=encodings.encode_base64(nonce),
    )


class ReceiverKey:
    """A HIU's key pair and nonce for one health-information request.

    Publish `public_key_raw` (every known sender reads it) and `nonce`; keep `export()` sealed until
    the last page is decrypted or the request expires. Its `repr` shows nothing.
    """

    __slots__ = ("_nonce", "_point", "_private_key")

    def __init__(self, private_key: X25519PrivateKey, nonce: bytes, point: tuple[int, int]) -> None:
        self._private_key = private_key
        self._nonce = nonce
        self._point = point

    def __repr__(self) -> str:
        return "<ReceiverKey>"

    @classmethod
    def generate(cls) -> ReceiverKey:
        """A fresh key pair and nonce."""
        private_key = curve.draw_private_key()
        return cls(private_key, os.urandom(encodings.NONCE_BYTES), curve.public_point(private_key))

    @property
    def public_key_raw(self) -> str:
        """04 || x || y in base64, 88 characters."""
        return encodings.write_raw(*self._point)

    @property
    def public_key_x509(self) -> str:
        """X.509 with explicit parameters in base64, 412 characters."""
        return encodings.write_x509(*self._point)

    @property
    def nonce(self) -> str:
        """32 random bytes in base64."""
        return encodings.encode_base64(self._nonce)

    def export(self) -> bytes:
        """Everything `load` needs: version, scalar, nonce, x, y. SECRET: store it sealed only."""
        x, y = self._point
        return b"".join(
            (
                _EXPORT_VERSION,
                self._private_key.private_bytes_raw(),
                self._nonce,
                x.to_bytes(32, "big"),
                y.to_bytes(32, "big"),
            )
        )

    @classmethod
    def load(cls, exported: bytes) -> ReceiverKey:
        """The key that `export` wrote.

        Raises:
            PrivateKeyInvalid: not such an export, or its parts do not belong together.
        """
        if len(exported) == _EXPORT_BYTES and exported.startswith(_EXPORT_VERSION):
            private_key = X25519PrivateKey.from_private_bytes(exported[1:33])
            x = int.from_bytes(exported[65:97], "big")
            y = int.from_bytes(exported[97:], "big")
            if curve.belongs(private_key, x, y):
                return cls(private_key, exported[33:65], (x, y))
        raise PrivateKeyInvalid(
            "A stored receiver key is damaged or of another version; the request it belongs to"
            " cannot be decrypted, so send a new health-information request."
        )

    def decrypt(
        self,
        sender_public_key_b64: str,
        sender_nonce_b64: str,
        content: str | bytes,
        *,
        max_content_length: int = MAX_CONTENT_LENGTH,
    ) -> bytes:
        """The plaintext of one entry.

        Args:
            sender_public_key_b64: `keyValue` of the page, in any of the three encodings.
            sender_nonce_b64: `nonce` of the page.
            content: the entry's `content`, base64.
            max_content_length: characters of `content` above which nothing is decoded.

        Raises:
            KeyMaterialInvalid: the page's key or nonce.
            DecryptionFailed: too long, not base64, shorter than a tag, or the tag does not fit.
        """
        if len(content) > max_content_length:
            raise DecryptionFailed(
                f"The encrypted content is {len(content)} characters long and at most"
                f" {max_content_length} are accepted; ask the sender for smaller documents."
            )
        sender = check_peer(sender_public_key_b64, sender_nonce_b64)
        z = curve.shared_x(self._private_key, sender.point)
        return _open(z, sender.nonce, self._nonce, content)


def generate_key() -> GeneratedKey:
    """A fresh key pair and nonce in base64, for use outside this process."""
    own = curve.draw_private_key()
    point = curve.public_point(own)
    return GeneratedKey(
        private_key=encodings.write_private_key(curve.export_scalar(own)),
        public_key=encodings.write_raw(*point),
        x509_public_key=encodings.write_x509(*point),
        nonce=encodings.encode_base64(os.urandom(encodings.NONCE_BYTES)),
    )


def encrypt(
    *, sender_private_key: str, sender_nonce: str, receiver: PublicKeyMaterial, plaintext: bytes
) -> str:
    """Content in base64, under the sender's key and nonce as given.

    For the command line and tests. Two plaintexts under the same four values give each other away:
    sending code uses `encrypt_page`.

    Raises:
        PrivateKeyInvalid: the sender's private key or nonce.
        KeyMaterialInvalid: the receiver's public key or nonce.
    """
    own = encodings.read_private_key(sender_private_key)
    own_nonce = encodings.read_nonce(sender_nonce, "sender's", PrivateKeyInvalid)
    peer = check_peer(receiver.key, receiver.nonce)
    aes, iv = _cipher(own.shared_x(peer.point), own_nonce, peer.nonce)
    return encodings.encode_base64(aes.encrypt(iv, plaintext, None))


def key_to_share(*, private_key: str, public_key: str) -> str:
    """The public key as X.509 with explicit parameters, from any of the three encodings.

    Raises:
        PrivateKeyInvalid: the private key cannot be used.
        KeyMaterialInvalid: the public key cannot be used or is not the private key's: the receiver
            could not decrypt.
    """
    own = encodings.read_private_key(private_key)
    x, y = encodings.read_public_key(public_key)
    curve.check_point(x, y)
    if not own.fits(x):
        raise KeyMaterialInvalid(
            "The sender's public key is not that of the private key; send the two as they were"
            " generated together."
        )
    return encodings.write_x509(x, y)


def decrypt(
    *,
    receiver_private_key: str,
    receiver_nonce: str,
    sender: PublicKeyMaterial,
    content: str | bytes,
) -> bytes:
    """The plaintext of `content`, with a receiver's private key and nonce in base64.

    For the command line and tests; a HIU uses `ReceiverKey`.

    Raises:
        PrivateKeyInvalid: the receiver's private key or nonce.
        KeyMaterialInvalid: the sender's public key or nonce.
        DecryptionFailed: not base64, shorter than a tag, or the tag does not fit.
    """
    own = encodings.read_private_key(receiver_private_key)
    own_nonce = encodings.read_nonce(receiver_nonce, "receiver's", PrivateKeyInvalid)
    peer = check_peer(sender.key, sender.nonce)
    return _open(own.shared_x(peer.point), peer.nonce, own_nonce, content)


def _cipher(z: bytes, sender_nonce: bytes, receiver_nonce: bytes) -> tuple[AESGCM, bytes]:
    """AES-256-GCM under the agreed key, and its IV."""
    mixed = int.from_bytes(sender_nonce, "big") ^ int.from_bytes(receiver_nonce, "big")
    x = mixed.to_bytes(encodings.NONCE_BYTES, "big")
    key = HKDF(SHA256(), length=32, salt=x[:_SALT_BYTES], info=b"").derive(z)
    return AESGCM(key), x[_SALT_BYTES:]


def _open(z: bytes, sender_nonce: bytes, receiver_nonce: bytes, content: str | bytes) -> bytes:
    sealed = encodings.decode_base64(content, "The encrypted content", DecryptionFailed)
    if len(sealed) < _TAG_BYTES:
        raise DecryptionFailed(
            f"The encrypted content is {len(sealed)} bytes long, shorter than its"
            f" {_TAG_BYTES}-byte authentication tag; ask the sender to send it again."
        )
    aes, iv = _cipher(z, sender_nonce, receiver_nonce)
    try:
        return aes.decrypt(iv, sealed, None)
    except InvalidTag:
        raise DecryptionFailed(
            "The encrypted content does not match its authentication tag: it was altered, or it was"
            " encrypted for another key or nonce. Nothing of it was released."
        ) from None
