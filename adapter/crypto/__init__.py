"""Cryptography, pure: ABDM page encryption (`fidelius`) and sealing at rest (`sealing`).

Bytes in, bytes out. Nothing here reads settings, opens files, calls anybody or logs, and no error,
`repr` or sentence made here holds a key, a shared secret or plaintext.

    errors      what can go wrong, one class per family of causes
    curve       the curve itself: points checked, y recovered, scalars given to X25519
    encodings   base64 text <-> points, scalars and nonces
    fidelius    key agreement and page encryption, the module others import
    sealing     columns sealed under SEAL_KEYS, and keyed hashes
"""
