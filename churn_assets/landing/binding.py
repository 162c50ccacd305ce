"""Which delivered column is which contract column: by name, after aliases, case and padding; and the schema policy.

Whether a name was found at all is judged before any name is shown: without a header row, the first line is data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from churn_assets.errors import RefusedFile
from churn_assets.product import Product
from churn_assets.product.reserved import VALID_FROM
from churn_assets.settings import SourceName, SourceSettings
from churn_assets.source_names import EVENT_ID, NO_COLUMN, known_names, required_columns
from churn_assets.transforms.parsing import UNSEEN

Refuse = Callable[[str], RefusedFile]
_LIKE_A_NAME = re.compile(r"[A-Za-z][A-Za-z_ .-]{0,39}")
ColumnKind = Literal["id", "time", "date", "label", "text", "flag", "integer", "number", "other"]
"""What a source column holds; `other` is outside the contract."""
KEY_KINDS: Mapping[str, ColumnKind] = {
    "user_id": "id", EVENT_ID: "id", "event_time": "time", "event_type": "label", "signup_date": "date", VALID_FROM: "date"
}  # fmt: skip
MOST_COLUMNS = 2000
"""Past this the names are data (ids as JSON keys, say), and a table of them would not fit in memory."""


@dataclass(frozen=True)
class Drift:
    """How a file's columns differ from the contract's. `renamed` holds (name at the source, contract column)."""

    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Match:
    """One delivered name. `identity` is equal for names that mean the same column."""

    name: str
    column: str | None
    identity: str
    is_renamed: bool
    is_repaired: bool


@dataclass(frozen=True)
class Nested:
    """A contract column inside the JSON value of the column at `position`, by the keys that lead to it. `name` is the alias."""

    name: str
    column: str
    position: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Binding:
    """Positions of contract columns and of the others, in the order they were delivered; and what lies inside others."""

    columns: Mapping[str, int]
    extra: tuple[tuple[str, int], ...]
    drift: Drift
    nested: tuple[Nested, ...] = ()


class Binder:
    """Matches names of one file to the columns that `product` has of `source`."""

    def __init__(self, source: SourceName, settings: SourceSettings, product: Product, refuse: Refuse) -> None:
        self.source, self.settings, self.refuse = source, settings, refuse
        self.required, self._optional = required_columns(product, source, settings), product.optional_columns(source)
        self._read_by_paths = product.path_columns(source)
        entries = {entry.name: entry.type for entry in product.entries_of(source) if entry.from_ is None}
        self.kinds: Mapping[str, ColumnKind] = {**entries, **KEY_KINDS}
        self._columns = frozenset((*self.required, *self._optional))
        try:
            self._known = known_names(product, source, settings)
        except ValueError as fault:
            raise refuse(f"cannot be bound, as [sources.{source}] {fault}") from None

    def match(self, raw: str) -> Match:
        name = raw.strip().strip(UNSEEN).strip()
        folded = name.casefold()
        expected, column = self._known.get(folded, (name, None))
        return Match(
            name=name,
            column=column,
            # A blank in front, which no name has, where a name is a contract column's but the column is not.
            identity=column or (f" {folded}" if folded in self._columns else folded),
            is_renamed=column is not None and folded != column,
            is_repaired=raw != expected,
        )

    def bind(self, matches: Sequence[Match], hint: str) -> Binding:
        """Judge the columns of a file. `matches` has one entry per position. Raises RefusedFile."""
        self._require(matches, hint)
        if (unnamed := next((n for n, m in enumerate(matches, 1) if not m.name), None)) is not None:
            index = ", such as an index that pandas wrote (to_csv(index=False) leaves it out)" if unnamed == 1 else ""
            raise self.refuse(f"has no name for column {unnamed} of its header{index}; name it or remove it")
        first: dict[str, Match] = {}
        for match in matches:
            if (earlier := first.setdefault(match.identity, match)) is not match:
                raise self.refuse(self._ambiguous(earlier, match))
        columns = {m.column: n for n, m in enumerate(matches) if m.column is not None}
        extra = tuple((m.name, n) for n, m in enumerate(matches) if m.column is None)
        nested = self._nested(matches)
        inside = {path.column for path in nested}
        renamed = [(m.name, m.column) for m in matches if m.column is not None and m.is_renamed]
        drift = Drift(
            added=tuple(name for name, _ in extra if name.casefold() not in self._read_by_paths),
            missing=tuple(
                name
                for name in self._optional
                if name not in columns and name not in inside and name not in self.settings.lacks
            ),
            renamed=(*renamed, *((path.name, path.column) for path in nested)),
        )
        self._apply_policy(drift)
        return Binding(columns, extra, drift, nested)

    def names_in_values(self, column: str) -> set[str]:
        """The keys under which a contract column may stand inside JSON values."""
        return {alias.rpartition(".")[2] for alias in self.settings.columns.get(column, ()) if "." in alias}

    def _nested(self, matches: Sequence[Match]) -> tuple[Nested, ...]:
        """Contract columns that no column is named like and that an alias with a dot finds inside another one."""
        bound = {match.column for match in matches}
        at = {match.name.casefold(): n for n, match in enumerate(matches) if match.column is None}
        return tuple(
            Nested(alias.strip(), column, at[top.casefold()], tuple(keys))
            for column, aliases in self.settings.columns.items()
            if column not in bound and column != NO_COLUMN
            for alias in aliases
            for top, *keys in [alias.strip().split(".")]
            if keys and top.casefold() in at
        )

    def _require(self, matches: Sequence[Match], hint: str) -> None:
        found = {match.column for match in matches} | {path.column for path in self._nested(matches)}
        if missing := [name for name in self.required if name not in found]:
            raise self.refuse(
                f"has {_columns(len(matches))} but lacks required {', '.join(missing)}; {hint}, "
                f"or give the source's own names under [sources.{self.source}.columns] in churn.toml"
            )
        if len(matches) > MOST_COLUMNS:
            raise self.refuse(
                f"has {_columns(len(matches))}, more than {MOST_COLUMNS}; deliver values as rows, not as names"
            )

    def _ambiguous(self, one: Match, other: Match) -> str:
        if one.column is None or one.name.casefold() == other.name.casefold():
            return f"has the column {_shown(one.name)} twice; remove one of them"
        return (
            f"has both {_shown(one.name)} and {_shown(other.name)} for {one.column}; "
            f"remove one, or change [sources.{self.source}.columns]"
        )

    def _apply_policy(self, drift: Drift) -> None:
        policy = self.settings.schema_policy
        causes = []
        if drift.added and policy == "strict":
            causes.append(f"has columns outside the contract ({', '.join(map(_shown, drift.added))})")
        if drift.missing and policy in ("strict", "add_only"):
            causes.append(f"lacks optional {', '.join(drift.missing)}")
        if causes:
            raise self.refuse(
                f'{" and ".join(causes)}, which schema_policy = "{policy}" does not allow; '
                f"give the source's own names under [sources.{self.source}.columns], or relax the policy"
            )


def header_repairs(matches: Sequence[Match]) -> int:
    return sum(match.is_repaired for match in matches)


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _shown(name: str) -> str:
    """The name, if it reads like one: where a header lost its line end, the first row stands among the names."""
    return repr(name) if _LIKE_A_NAME.fullmatch(name) else "(no plain name)"
