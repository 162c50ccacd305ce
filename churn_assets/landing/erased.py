"""Who was erased: `<data>/erasures.json` holds keyed hashes of their ids, by which a row delivered again is known.

The hashes cannot be turned back into ids, but whoever has the file and an id can tell whether it was erased. Writing the
file is the erasure's business.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.errors import ChurnError
from churn_assets.landing.binding import Binder
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import Settings
from churn_assets.transforms import parsing
from churn_assets.transforms.parsing import Bools

ERASURES = "erasures.json"
USER_ID = "user_id"
LARGEST_ID = 2**63
_JSON_PARTS = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",:{}\[\]]+)')
"""Texts and bare values of a line that is no JSON object."""


@dataclass(frozen=True)
class Erased:
    """`users` are hashes of ids under `key`; `id_type` is that of the deployment's users."""

    id_type: str
    key: bytes = b""
    users: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Erased:
        """Everybody erased from the deployment so far. Raises ChurnError where the file says nothing for certain."""
        record = read_erasures(settings.data_dir)
        users = frozenset(one["user"] for one in record["erasures"])
        return cls(settings.sources.users.id_type, bytes.fromhex(record["key"]), users)

    def hashed(self, user: str) -> str:
        """The hash of an id as `canonical` gives it."""
        return blake2b(user.encode(), key=self.key, digest_size=16).hexdigest()

    def holds(self, ids: Any, value_map: dict[str, str] | None = None) -> Bools:
        """Which of some ids, a list or an Arrow column of them as they were written, are those of erased users."""
        texts = pd.Series(pd.array(ids, dtype=parsing.TEXT))
        if not self.users:
            return np.zeros(len(texts), dtype=bool)
        codes, unique = pd.factorize(_canonical(texts, self.id_type, value_map or {}))
        known = np.array([*(self.hashed(str(user)) in self.users for user in unique), False])
        return known[codes]

    def among(self, read: ReadRows, binder: Binder, file_format: str) -> Bools:
        """Which records of a file are of erased users, in file order.

        A record that could not be bound to the header is one if the id stands in it: anywhere where ids are texts, in
        user_id's place where they are integers, which other values may equal.
        """
        found = np.zeros(read.total, dtype=bool)
        if not self.users:
            return found
        values = binder.settings.values.get(USER_ID, {})
        at = read.binding.columns.get(USER_ID)
        found[read.is_bound] = False if at is None else self.holds(read.columns[at], values)
        for number, line in read.malformed:
            found[number - 1] = self.holds(self._values_of(line, read, binder, file_format), values).any()
        return found

    def _values_of(self, line: str, read: ReadRows, binder: Binder, file_format: str) -> list[str]:
        """What an unreadable line says, as far as it may be an id of its user."""
        if file_format == "csv":
            parts = [part.strip().strip('"') for part in line.split(binder.settings.delimiter)]
            at = read.binding.columns[USER_ID]
            if self.id_type == "string":
                return parts
            if not any(path.column == USER_ID for path in read.binding.nested):
                return parts[at : at + 1]
            keys = "|".join(map(re.escape, binder.names_in_values(USER_ID)))
            return re.findall(rf'"(?:{keys})"+\s*:[\s"]*([^\s",}}]+)', line)
        inside = binder.names_in_values(USER_ID)
        parts = [text or bare for text, bare in _JSON_PARTS.findall(line)]
        if self.id_type == "string":
            return parts
        return [part for key, part in pairwise(parts) if binder.match(key).column == USER_ID or key in inside]


def canonical(user: str, id_type: str) -> str | None:
    """An id as a person types it, as hashes and tables have it; None if it is none."""
    ids = _canonical(pd.Series([user], dtype=parsing.TEXT), id_type, {})
    return None if parsing.is_missing(ids)[0] else str(ids.iloc[0])


def _canonical(texts: pd.Series[Any], id_type: str, value_map: dict[str, str]) -> pd.Series[Any]:
    written = parsing.mapped(texts, value_map)
    ids, _ = parsing.ids(written, id_type)
    if id_type == "string":
        # An id with blanks around it is another id to the tables, but the same person.
        return ids.str.strip()
    unread = parsing.is_missing(ids) & written.notna().to_numpy()
    if unread.any():
        # What cleaning does not take for an id, a number in another notation, names a person all the same.
        numbers = ids.to_numpy(copy=True)
        numbers[unread] = [_whole_number(text) for text in written[unread]]
        return pd.Series(numbers)
    return ids


def _whole_number(text: str) -> int:
    """The id that a text equals as a number, however that is written; 0 if it equals none."""
    try:
        number = Decimal(text.strip().strip("\"'"))
        return int(number) if 0 < number < LARGEST_ID and number == number.to_integral_value() else 0
    except ArithmeticError:  # no number, or one past what a decimal holds
        return 0


def read_erasures(data_dir: Path) -> dict[str, Any]:
    """What the file says; nobody where there is none. Raises ChurnError: to take a damaged file for an empty one would let
    everybody back in.
    """
    path = data_dir / ERASURES
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        bytes.fromhex(record["key"])
        if all(isinstance(one["user"], str) for one in record["erasures"]):
            return dict(record)
    except FileNotFoundError:
        return {"key": "", "erasures": []}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChurnError(
            f"{path} cannot be read, and says whose rows must not come back; restore it from a backup."
        ) from error
    raise ChurnError(
        f"{path} is no list of erasures, and says whose rows must not come back; restore it from a backup."
    )
