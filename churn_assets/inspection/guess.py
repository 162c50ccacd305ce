"""All guesses of one dump together, each with its evidence: what `toml_text` writes down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from churn_assets.errors import ChurnError
from churn_assets.inspection.columns import Column
from churn_assets.inspection.declarations import Declaration, Fit, best_fit, shipped
from churn_assets.inspection.entries import Proposals
from churn_assets.inspection.exports import Export, export_of
from churn_assets.inspection.proposals import propose
from churn_assets.inspection.rejects import rejected_events, rejected_users
from churn_assets.inspection.roles import LEAST_DISTINCT_IDS, Role, required, role
from churn_assets.inspection.sample import Looked
from churn_assets.inspection.times import Times, percent
from churn_assets.transforms import parsing


@dataclass(frozen=True)
class Chosen:
    """What a person decided instead of the guess; None: the guess holds."""

    user_id: str | None = None
    event_time: str | None = None
    event_type: str | None = None
    timestamp_format: str | None = None
    product: str | None = None
    timezone: str | None = None


@dataclass(frozen=True)
class UsersGuess:
    """Of a users file."""

    looked: Looked
    user_id: Role
    signup_date: Role
    rejects: Mapping[str, int]
    events_known: str
    """How many of the events are of users in this file."""


@dataclass(frozen=True)
class Guess:
    """`event_id` is None where it is made of others, `event_id_evidence` says why. `times` are those of event_time."""

    events: Looked
    export: Export | None
    event_id: Role | None
    event_id_evidence: str
    user_id: Role
    event_time: Role
    event_type: Role
    times: Times
    user_id_type: tuple[str, str]
    event_id_type: tuple[str, str]
    rejects: Mapping[str, int]
    copies: int
    users: UsersGuess | None
    fit: Fit
    proposals: Proposals
    timezone: str
    event_counts: Mapping[str, int]
    """Events by type, the most frequent first."""


def guess(
    events: Looked,
    users: Looked | None = None,
    chosen: Chosen = Chosen(),
    declarations: Mapping[str, Declaration] | None = None,
) -> Guess:
    """Raises ChurnError where a column that nothing works without is not there."""
    export = export_of(events.columns)
    user_id = required("user_id", events, role("user_id", events, export, chosen.user_id))
    event_time = required("event_time", events, role("event_time", events, export, chosen.event_time))
    event_type = required("event_type", events, role("event_type", events, export, chosen.event_type))
    times = _times(events, event_time.column, chosen.timestamp_format)
    event_id = role("event_id", events, export)
    if event_id is not None and event_id.column in (user_id.column, event_type.column, event_time.column):
        event_id = None
    user_role = None if users is None else _user_of(users, user_id.column)
    user_id_type = _id_type([user_id.column, *([user_role.column] if user_role else [])])
    event_id_type = _id_type([event_id.column]) if event_id else ("string", "made of other columns")
    parts = {"user_id": user_id, "event_time": event_time, "event_type": event_type} | (
        {"event_id": event_id} if event_id else {}
    )
    columns = {name: part.column for name, part in parts.items()}
    rejects, copies = rejected_events(
        columns, user_id_type=user_id_type[0], event_id_type=event_id_type[0], timestamp_format=times.format
    )
    users_guess = _users(users, user_role, user_id.column, user_id_type[0]) if users and user_role else None
    counts = _event_counts(event_type.column)
    user_columns = _attribute_columns(users_guess) if users_guess else None
    used = {column.path for column in columns.values()}
    free = {path: column for path, column in events.columns.items() if path not in used}
    fit = best_fit(shipped() if declarations is None else declarations, counts, free, user_columns, chosen.product)
    proposals = propose(
        events.columns,
        event_type.column,
        counts,
        user_id.column,
        export,
        used=used | {path for path in events.columns if path.casefold() in fit.feeding},
        known=fit.names,
        known_types=fit.event_types,
        spelling=fit.values or {},
        user_columns=None if user_columns is None else _free(user_columns, fit.feeding),
    )
    return Guess(
        events,
        export,
        event_id,
        _event_id_evidence(events, event_id, copies),
        user_id,
        event_time,
        event_type,
        times,
        user_id_type,
        event_id_type,
        {"malformed_row": events.malformed, **rejects} if events.malformed else rejects,
        copies,
        users_guess,
        fit,
        proposals,
        chosen.timezone or "UTC",
        counts,
    )


def _event_counts(column: Column) -> dict[str, int]:
    """As the cleaning names the types: trimmed, in composed form."""
    counts: Counter[str] = Counter()
    for text, count in column.counts.items():
        if (name := parsing.normalised(str(text))) is not None:
            counts[name] += int(count)
    return dict(counts.most_common())


def _times(looked: Looked, column: Column, chosen: str | None) -> Times:
    times = column.times
    if times is None:
        raise ChurnError(
            f"{looked.files.shown} has no time in column {column.path!r} in a format that is known; choose another column, or "
            "declare timestamp_format by hand."
        )
    if chosen == times.ambiguous_with and chosen is not None:
        return Times(chosen, times.given, times.usable, times.zoned, times.format)
    return times


def _user_of(users: Looked, in_events: Column) -> Role:
    """The users' id: of the columns that could be it, the one that holds most of the ids in the events."""
    found = required("user_id", users, role("user_id", users, None))
    able = [found.column, *(users.columns[path] for path in found.others)]
    known = set(in_events.counts.index)
    best = max(able, key=lambda column: len(known & set(column.counts.index)))
    if best is found.column:
        return found
    again = role("user_id", users, None, best.path)
    return again or found


def _id_type(columns: list[Column]) -> tuple[str, str]:
    given = sum(column.given for column in columns)
    whole = sum(int(column.counts.to_numpy()[column.is_whole].sum()) for column in columns)
    id_type = "integer" if all(column.has_integer_ids for column in columns) else "string"
    return id_type, f"{percent(whole, given)} of {given:,} ids are whole numbers above 0 without leading zeros"


def _users(users: Looked, user: Role, in_events: Column, id_type: str) -> UsersGuess:
    signup = required("signup_date", users, role("signup_date", users, None))
    times = _times(users, signup.column, None)
    rejects = rejected_users(user.column, signup.column, id_type=id_type, timestamp_format=times.format)
    if users.malformed:
        rejects = {"malformed_row": users.malformed, **rejects}
    known = set(user.column.counts.index)
    theirs = int(in_events.counts[[user_id in known for user_id in in_events.counts.index]].sum())
    return UsersGuess(
        users, user, signup, rejects, f"{percent(theirs, in_events.given)} of the events are of users in this file"
    )


def _attribute_columns(users: UsersGuess) -> dict[str, Column]:
    used = (users.user_id.column.path, users.signup_date.column.path)
    return {path: column for path, column in users.looked.columns.items() if path not in used}


def _free(columns: Mapping[str, Column], feeding: frozenset[str]) -> dict[str, Column]:
    return {path: column for path, column in columns.items() if path.casefold() not in feeding}


def _event_id_evidence(events: Looked, found: Role | None, copies: int) -> str:
    if found is not None:
        return found.evidence
    named = [
        f"{path!r} has {percent(column.distinct, column.given)} different values"
        for path, column in events.columns.items()
        if path.casefold() == "event_id" and column.distinct < LEAST_DISTINCT_IDS * column.given
    ]
    why = f"no column has an id of its own in every row{f' ({named[0]})' if named else ''}"
    return f"{why}; {copies:,} of {events.rows:,} rows share user, time and type with an earlier one"
