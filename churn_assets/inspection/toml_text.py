"""A `Guess` as the text of churn.toml: every line a guess, with its evidence beside or above it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from churn_assets.contracts.declared import UNREADABLE, UNTIMELY
from churn_assets.errors import first_few
from churn_assets.inspection.entries import Entry
from churn_assets.inspection.exports import Export
from churn_assets.inspection.guess import Guess
from churn_assets.inspection.rejects import MADE_OF
from churn_assets.inspection.roles import Role
from churn_assets.inspection.sample import Looked
from churn_assets.inspection.times import Times, percent
from churn_assets.settings import SourceName

WIDTH = 120
MOST_EVENT_TYPES = 50
MOST_NAMES = 30
NO_COLUMN = "extra"
REASONS = {**UNREADABLE, **UNTIMELY}


def churn_toml(guess: Guess) -> str:
    """The whole file, which lands the dump as it is."""
    parts = [_top(guess), _users(guess), _events(guess), _product(guess), _left_out(guess)]
    return "\n".join("\n".join(part).strip("\n") + "\n" for part in map(list, parts) if part)


def _top(guess: Guess) -> Iterator[str]:
    events, users = guess.events, guess.users
    yield "# Written by `churn-assets init`, which guesses: the comments say why. Change what is wrong, then:"
    yield f"#   churn-assets land {'USERS EVENTS' if users else 'EVENTS'} && churn-assets backfill"
    seen = f"Events: {events.rows_shown}"
    yield from _comment(seen + (f"; users: {users.looked.rows_shown}." if users else "."))
    if guess.export:
        yield from _comment(f"The columns are those of an export of {guess.export.name}. {guess.export.note}".strip())
    yield ""
    yield from _key("timezone", guess.timezone, "zone of the business day: the data do not say it")
    yield from _key("product", guess.fit.product, guess.fit.evidence)
    if guess.fit.drop:
        yield from _key("drop", list(guess.fit.drop), "entries of the declaration that nothing here feeds")


def _users(guess: Guess) -> Iterator[str]:
    users = guess.users
    yield "[sources.users]"
    if users is None:
        yield from _key(
            "from_events", True, "no users are given: each user_id seen in an event is a user from that day on"
        )
        yield from _key("id_type", *guess.user_id_type)
        return
    yield from _written(users.looked)
    yield from _key("id_type", *guess.user_id_type)
    assert users.signup_date.column.times is not None
    yield from _times(users.signup_date.column.times, guess.timezone)
    yield from _columns("users", users.looked, {"user_id": users.user_id, "signup_date": users.signup_date})
    yield from _comment(users.events_known + ".")
    yield from _rejects(users.looked, users.rejects, 0)


def _events(guess: Guess) -> Iterator[str]:
    yield "[sources.events]"
    yield from _written(guess.events)
    yield from _key("id_type", *guess.event_id_type)
    yield from _times(guess.times, guess.timezone if guess.export is None else "UTC", guess.export)
    roles = {"user_id": guess.user_id, "event_time": guess.event_time, "event_type": guess.event_type}
    if guess.event_id is None:
        yield from _key("event_id_from", list(MADE_OF), guess.event_id_evidence)
    else:
        roles = {"event_id": guess.event_id, **roles}
    yield from _columns("events", guess.events, roles, needs_id=guess.event_id is None)
    if guess.fit.values:
        yield ""
        yield "[sources.events.values.event_type]"
        for given, declared in guess.fit.values.items():
            yield f"{_quoted(given)} = {_value(declared)}"
    yield from _rejects(guess.events, guess.rejects, guess.copies)


def _written(looked: Looked) -> Iterator[str]:
    many = len(looked.files.paths)
    yield from _key("format", looked.files.format, f"{many:,} files" if many > 1 else "by the file's bytes and name")
    if looked.files.format != "parquet":
        yield from _key("encoding", *looked.encoding)
    if looked.files.format == "csv":
        yield from _key("delimiter", *looked.delimiter)


def _times(times: Times, zone: str, export: Export | None = None) -> Iterator[str]:
    yield from _key("timestamp_format", times.format, times.evidence)
    if times.names_no_zone:
        why = f"{percent(times.usable - times.zoned, times.usable)} of the times name no zone"
        yield from _key("timezone", zone, f"{why}; {export.name} exports UTC" if export else f"{why}; this is a guess")


def _columns(source: SourceName, looked: Looked, roles: Mapping[str, Role], *, needs_id: bool = False) -> Iterator[str]:
    """Aliases; and columns that are named like one of the contract, but are not it."""
    yield ""
    yield f"[sources.{source}.columns]"
    for name, role in roles.items():
        path = role.column.path
        if path.casefold() == name:
            yield from _comment(f"{name} = {_value([path])}: {role.evidence}")
        else:
            yield from _key(name, [path], role.evidence)
    used = {role.column.path for role in roles.values()}
    played = {*roles, *(["event_id"] if needs_id else [])}
    mistaken = [path for path in looked.columns if path.casefold() in played and path not in used]
    if mistaken:
        yield from _key(NO_COLUMN, mistaken, "named like a column of the contract, and not taken for it")


def _rejects(looked: Looked, rejects: Mapping[str, int], copies: int) -> Iterator[str]:
    yield ""
    if not rejects and not copies:
        yield from _comment(f"Of the {looked.rows_shown} none would be quarantined.")
        return
    yield from _comment(
        f"Of the {looked.rows_shown} would be quarantined:" if rejects else f"Of the {looked.rows_shown}:"
    )
    for reason, count in rejects.items():
        yield from _comment(f"  {count:,} {reason}: {REASONS[reason]}")
    if copies:
        yield from _comment(f"  {copies:,} are copies of an earlier row, which are dropped and counted.")


def _product(guess: Guess) -> Iterator[str]:
    fit, found = guess.fit, guess.proposals
    for table, entries in (
        ("attributes", found.attributes),
        ("properties", found.properties),
        ("event_types", _event_types(guess)),
        ("measures", found.measures),
        ("features", found.features),
    ):
        replaced = [
            (entry, "found elsewhere than the declaration says") for name, entry in fit.replaced if name == table
        ]
        for entry, evidence in [*replaced, *entries]:
            if evidence:
                yield from _comment(evidence)
            yield f"[[{table}]]"
            yield from (f"{key} = {_value(value)}" for key, value in entry.items() if not key.startswith("_"))
            yield ""


def _event_types(guess: Guess) -> list[tuple[Entry, str]]:
    counts = guess.event_counts
    total = sum(counts.values())
    shown = list(counts.items())[:MOST_EVENT_TYPES]
    return [
        ({"name": name}, f"{count:,} events, {percent(count, total)}")
        for name, count in shown
        if name not in guess.fit.event_types
    ]


def _left_out(guess: Guess) -> Iterator[str]:
    found = guess.proposals
    if (more := len(guess.event_counts) - MOST_EVENT_TYPES) > 0:
        yield from _comment(f"{more:,} rarer event types are not declared: their events are kept, and raise a warning.")
    for names, why in (
        (found.personal, "Left out because their names sound personal"),
        (list(guess.events.lists), "Left out because they are lists"),
        (
            found.others,
            "Left out because they are mostly ids, times, free text or constant, or the lists above were long enough",
        ),
    ):
        if names:
            yield from _comment(f"{why}: {first_few([*map(_quoted_if_odd, names)], MOST_NAMES)}.")


def _key(key: str, value: object, evidence: str) -> Iterator[str]:
    """A line with its evidence behind it, or above it where it is long."""
    line = f"{key} = {_value(value)}"
    if len(line) + len(evidence) + 4 <= WIDTH:
        yield f"{line}  # {evidence}"
        return
    yield from _comment(evidence)
    yield line


def _comment(text: str) -> Iterator[str]:
    indent = "  " if text.startswith("  ") else ""
    for line in textwrap.wrap(text.strip(), WIDTH - 2 - len(indent), break_long_words=False, break_on_hyphens=False):
        yield f"# {indent}{line}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_bare_or_quoted(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _array(value)
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _array(values: Iterable[Any]) -> str:
    texts = [_value(item) for item in values]
    line = f"[{', '.join(texts)}]"
    if len(line) < WIDTH - 20:
        return line
    lines = [""]
    for text in texts:
        if len(lines[-1]) + len(text) + 6 > WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{text},"
    return "[\n" + "\n".join(f"    {line}" for line in lines) + "\n]"


def _quoted(text: str) -> str:
    """A TOML string. JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _bare_or_quoted(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _quoted(key)


def _quoted_if_odd(name: str) -> str:
    return name if name.isprintable() and not set(name) & set("#, ") else _quoted(name)
