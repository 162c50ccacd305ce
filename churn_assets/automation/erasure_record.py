"""Writing `<data>/erasures.json`: who was erased, as keyed hashes, when, and how much was found. Never an id.

The file is the tombstone, too: `landing.erased` reads it, and rows of these users are not taken again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError
from churn_assets.files import replace_content
from churn_assets.landing.erased import ERASURES, Erased, read_erasures
from churn_assets.settings import Settings

LOCK = ".erasures.lock"
KEY_BYTES = 32
OWNER_ONLY = 0o600


def sought_user(settings: Settings, user: str) -> Erased:
    """The one user, under the key of the file, or under a new one where nobody was erased yet."""
    key = bytes.fromhex(read_erasures(settings.data_dir)["key"]) or secrets.token_bytes(KEY_BYTES)
    nobody = Erased(settings.sources.users.id_type, key)
    return Erased(nobody.id_type, key, frozenset({nobody.hashed(user)}))


def latest(settings: Settings, sought: Erased) -> dict[str, Any] | None:
    """The user's last erasure; None if there was none. Not finished: `finished_at` is null."""
    own = [one for one in read_erasures(settings.data_dir)["erasures"] if one["user"] in sought.users]
    return own[-1] if own else None


def begin(settings: Settings, sought: Erased, found: dict[str, Any]) -> None:
    """Note the erasure before anything is erased: from now on the user's rows are not taken, and a stop is known."""
    record = read_erasures(settings.data_dir)
    (user,) = sought.users
    before = latest(settings, sought)
    if before is None or before["finished_at"]:
        record["key"] = sought.key.hex()
        record["erasures"].append({"user": user, "begun_at": _now(), "finished_at": None, "found": found})
        _write(settings.data_dir / ERASURES, record)


def finish(settings: Settings, sought: Erased) -> None:
    record = read_erasures(settings.data_dir)
    for one in record["erasures"]:
        if one["user"] in sought.users and one["finished_at"] is None:
            one["finished_at"] = _now()
    _write(settings.data_dir / ERASURES, record)


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    try:
        with FileLock(settings.data_dir / LOCK, timeout=0):
            yield
    except Timeout:
        raise ChurnError("Another erasure is under way; wait until it is done and run this again.") from None


def _write(path: Path, record: dict[str, Any]) -> None:
    try:
        replace_content(path, json.dumps(record, indent=2).encode(), mode=OWNER_ONLY)
    except OSError as error:
        raise ChurnError(f"{path} cannot be written ({os.strerror(error.errno or 0)}); make it writable.") from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
