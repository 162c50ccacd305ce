"""The digest of a file's bytes: what is published of each file, and what a plan holds against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest_of(pieces: Iterable[bytes]) -> str:
    """Over the pieces, as if they were one."""
    digest = hashlib.blake2b(digest_size=32)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
