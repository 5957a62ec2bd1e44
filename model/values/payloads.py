"""Names of large values: what is kept by content instead of in place.

Lives here: the threshold and the digest. Never here: where payloads are kept.
"""

from __future__ import annotations

from hashlib import blake2b

PAYLOAD_BYTES_MIN = 8 * 1024
"""Values above this many bytes are kept by payload digest."""


def is_payload(raw: bytes) -> bool:
    """Whether canonical bytes are large enough to be kept by digest."""
    return len(raw) > PAYLOAD_BYTES_MIN


def payload_digest(raw: bytes) -> bytes:
    """The 16 bytes that name canonical bytes (BLAKE2b); `.hex()` where text is needed."""
    return blake2b(raw, digest_size=16).digest()
