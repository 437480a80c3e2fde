"""Errors of this package. Each holds a sentence that says what is wrong and what to do.

    CryptoError
      KeyMaterialInvalid   the peer's public key or nonce (also the protocol's error of this name)
      PrivateKeyInvalid    our own private key or nonce, imported or stored
      DecryptionFailed     content that cannot be decrypted; nothing of it was released
      ComputationFault     the curve arithmetic contradicted itself
      PublishedKeyInvalid  the ABHA service's public key or its algorithm
      SealKeysInvalid      SEAL_KEYS cannot be used
      SealBroken           sealed bytes that no key of SEAL_KEYS opens

No sentence holds a key, a nonce, a shared secret, plaintext or ciphertext.
"""

from __future__ import annotations

from adapter.protocol import errors as protocol_errors
from adapter.protocol.errors import AdapterError


class CryptoError(AdapterError):
    """Base of this package's errors; `str()` of one is safe to show and to log."""


class KeyMaterialInvalid(CryptoError, protocol_errors.KeyMaterialInvalid):
    """The peer's public key or nonce is malformed, off the curve or outside the prime-order group.

    It is the protocol's error too, so a flow may let it pass and the reply carries its code.
    """


class PrivateKeyInvalid(CryptoError):
    """Our own private key or nonce cannot be used: wrong length, zero, or not below n."""


class DecryptionFailed(CryptoError):
    """The content is not base64, too long, too short, or its GCM tag does not fit."""


class ComputationFault(CryptoError):
    """A generated public key is not on the curve: a fault of memory or processor."""


class PublishedKeyInvalid(CryptoError):
    """The ABHA service's public key is no RSA key of enough bits, or its algorithm is unknown."""


class SealKeysInvalid(CryptoError):
    """SEAL_KEYS is empty or an entry is not 32 bytes of URL-safe base64."""


class SealBroken(CryptoError):
    """Sealed bytes were altered, or sealed under a key that SEAL_KEYS no longer has."""
