"""The store in a Redis: a generation of hashes for each snapshot, and one key that names the generation in force."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from churn_assets.errors import ChurnError
from churn_assets.online.store import Row, Snapshot, UserId, Vector, checksum_of, damaged_store
from churn_assets.serving_settings import PASSWORD_VARIABLE

USERS_OF_A_HASH = 500
"""So few, that a read of a field does not scan, and so many, that a million users are a few thousand keys."""
MOST_TRIES = 5
"""A read that a publication has overtaken is done again."""
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class _Generation:
    """The hashes of a snapshot, and `text`, the value of the key that names them."""

    text: bytes
    generation: str
    hashes: int
    snapshot: Snapshot


class RedisStore:
    """Values of a user are a field of one of the hashes `<prefix>:<generation>:<number>`."""

    def __init__(self, url: str, prefix: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise ChurnError(
                "A store in Redis needs its client; install it: pip install 'churn_assets[redis]'."
            ) from error
        self._errors = redis.RedisError
        self.place = f"Redis at {urlsplit(url).hostname or 'a local socket'}"
        self._prefix = prefix
        self._current, self._generations = f"{prefix}:current", f"{prefix}:generations"
        self._known: _Generation | None = None
        with self._failing_in_words():
            try:
                self._redis: Any = redis.Redis.from_url(
                    url,
                    password=os.environ.get(PASSWORD_VARIABLE),
                    socket_timeout=TIMEOUT_SECONDS,
                    socket_connect_timeout=TIMEOUT_SECONDS,
                )
            except ValueError as error:
                raise ChurnError("serving.store is no URL of a Redis; give redis://host:6379/0.") from error

    def snapshot(self) -> Snapshot | None:
        with self._failing_in_words():
            found = self._in_force()
        return found.snapshot if found else None

    def read(self, users: Sequence[UserId]) -> tuple[Snapshot, list[Vector | None]] | None:
        with self._failing_in_words():
            known = self._known or self._in_force()
            for _ in range(MOST_TRIES):
                if known is None:
                    return None
                asked = self._redis.pipeline(transaction=False)
                for user in users:
                    asked.hget(self._key(known.generation, user, known.hashes), str(user))
                asked.get(self._current)
                *values, text = asked.execute()
                # Else the generation was replaced, and may have been removed while it was read.
                if text == known.text:
                    return known.snapshot, [self._vector(*pair) for pair in zip(users, values, strict=True)]
                known = self._parsed(text)
        raise ChurnError(f"{self.place} is being published to all the time; try again.")

    def replace(self, snapshot: Snapshot, batches: Iterable[Sequence[Row]]) -> None:
        with self._failing_in_words():
            generation, hashes = secrets.token_hex(8), max(1, snapshot.users // USERS_OF_A_HASH)
            # Noted before the first row is written, so that what a kill leaves is known.
            self._redis.hset(self._generations, generation, hashes)
            for rows in batches:
                fields: dict[str, dict[str, str]] = {}
                for user, features, score in rows:
                    of_hash = fields.setdefault(self._key(generation, user, hashes), {})
                    of_hash[str(user)] = f"{features}\n{score or ''}\n{checksum_of(user, features, score)}"
                written = self._redis.pipeline(transaction=False)
                for key, values in fields.items():
                    written.hset(key, mapping=values)
                written.execute()
            self._redis.set(self._current, _as_json(generation, hashes, snapshot))
            self._remove_all_but(generation)

    def remove(self, users: Sequence[UserId]) -> int:
        with self._failing_in_words():
            found = self._in_force()
            if found is None:
                return 0
            generation, hashes = found.generation, found.hashes
            removed = self._redis.pipeline(transaction=False)
            for user in users:
                removed.hdel(self._key(generation, user, hashes), str(user))
            count = sum(removed.execute())
            if count:
                left = replace(found.snapshot, users=found.snapshot.users - count)
                self._redis.set(self._current, _as_json(generation, hashes, left))
            return count

    def _in_force(self) -> _Generation | None:
        return self._parsed(self._redis.get(self._current))

    def _parsed(self, text: bytes | None) -> _Generation | None:
        """Kept, so that the next read takes one question."""
        self._known = None
        if text is not None:
            try:
                found = json.loads(text)
                of = Snapshot.from_json(found["snapshot"], self.place)
                self._known = _Generation(text, found["generation"], found["hashes"], of)
            except (ValueError, KeyError, TypeError) as error:
                raise ChurnError(
                    f"The key {self._current} in {self.place} is none of ours; set another serving.key_prefix."
                ) from error
        return self._known

    def _vector(self, user: UserId, value: bytes | None) -> Vector | None:
        if value is None:
            return None
        try:
            features, score, checksum = value.decode().split("\n")
            return Vector.checked(user, features, score or None, int(checksum), self.place)
        except ValueError as error:
            raise damaged_store(self.place) from error

    def _key(self, generation: str, user: UserId, hashes: int) -> str:
        return f"{self._prefix}:{generation}:{crc32(str(user).encode()) % hashes}"

    def _remove_all_but(self, kept: str) -> None:
        for generation, hashes in self._redis.hgetall(self._generations).items():
            if (name := generation.decode()) != kept:
                removed = self._redis.pipeline(transaction=False)
                for number in range(int(hashes)):
                    removed.unlink(f"{self._prefix}:{name}:{number}")
                removed.hdel(self._generations, name)
                removed.execute()

    @contextmanager
    def _failing_in_words(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise ChurnError(
                f"{self.place} cannot be used as an online store ({type(error).__name__}); see that it runs, that serving.store "
                f"names it and a database that it has, and that {PASSWORD_VARIABLE} is its password."
            ) from error


def _as_json(generation: str, hashes: int, snapshot: Snapshot) -> str:
    return json.dumps({"generation": generation, "hashes": hashes, "snapshot": snapshot.as_json()})
