"""Which column is the event's id, its user, its time and its type; of users: the id and the day of signup.

Judged by name first, as names were given by people who knew, and then by what the values could be. Who comes second is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from churn_assets.errors import ChurnError, shown_name
from churn_assets.inspection.columns import Column
from churn_assets.inspection.exports import Export
from churn_assets.inspection.sample import Looked
from churn_assets.inspection.times import percent

NAMES: Mapping[str, tuple[str, ...]] = {
    "event_id": ("event_id", "event_uuid", "insert_id", "message_id", "uuid", "hit_id", "log_id", "id"),
    "user_id": (
        *(
            "user_id",
            "userid",
            "user",
            "customer_id",
            "customer",
            "member_id",
            "subscriber_id",
            "account_id",
            "person_id",
        ),
        *(
            "distinct_id",
            "client_id",
            "profile_id",
            "uid",
            "user_pseudo_id",
            "msno",
            "id_student",
            "anonymous_id",
            "visitor_id",
        ),
        *("domain_userid", "device_id", "id"),
    ),
    "event_time": (
        *(
            "event_time",
            "event_timestamp",
            "timestamp",
            "time",
            "ts",
            "occurred_at",
            "event_at",
            "datetime",
            "event_date",
        ),
        *("created_at", "client_event_time", "derived_tstamp", "date", "logged_at", "received_at", "inserted_at"),
    ),
    "event_type": (
        *("event_type", "event_name", "event", "action", "activity_type", "activity", "type", "name", "verb", "kind"),
        *("page", "category"),
    ),
    "signup_date": (
        *(
            "signup_date",
            "signup_time",
            "signed_up_at",
            "signup_at",
            "registered_at",
            "registration_date",
            "registration_time",
        ),
        *(
            "registration_init_time",
            "created_at",
            "created",
            "joined_at",
            "join_date",
            "date_joined",
            "user_creation_time",
        ),
        *("first_seen", "start_date", "created_date", "customer_since"),
    ),
}
LEAST_GIVEN = 0.5
"""A column with fewer values than this plays a part only if no other is named for it."""
LEAST_DISTINCT_IDS = 0.9
MOST_EVENT_TYPES = 2000
WRAPPERS = ("properties", "props", "payload", "data", "event", "context", "attributes", "params")
"""Keys under which a source puts what belongs to the event itself."""


@dataclass(frozen=True)
class Role:
    """The column that plays a part, why, and which others could."""

    column: Column
    evidence: str
    others: tuple[str, ...] = ()


def role(name: str, looked: Looked, export: Export | None, chosen: str | None = None) -> Role | None:
    """Who plays the part `name`; None if nobody can. Raises ChurnError where `chosen` is no column."""
    if chosen is not None and chosen not in looked.columns:
        raise ChurnError(f"{looked.files.shown} has no column {chosen!r}; choose one of its columns.")
    able = [column for column in _by_name(name, looked, export) if _can_be(name, column)]
    full = [column for column in able if column.given_share >= LEAST_GIVEN]
    if name == "event_time" and not able:
        able = full = [column for column in looked.columns.values() if column.given and column.times is not None]
    column = looked.columns[chosen] if chosen is not None else next(iter(full or able), None)
    if column is None:
        return None
    others = [other for other in able if other is not column]
    return Role(column, _evidence(name, column, others), tuple(other.path for other in others))


def _by_name(name: str, looked: Looked, export: Export | None) -> list[Column]:
    """Columns named for the part, the best first: those of the known export, then by how usual the name is."""
    known = export.roles.get(name, ()) if export else ()
    paths = [path for path in known if path in looked.columns]
    if export is not None:
        return [looked.columns[path] for path in paths]
    ranked = sorted(
        (rank, path.count("."), path)
        for path, column in looked.columns.items()
        for rank, usual in enumerate(NAMES[name])
        if _plain_path(path, column.last_key) == usual
    )
    return [looked.columns[path] for _, _, path in ranked]


def _plain_path(path: str, last_key: str) -> str:
    """The `id` in `clip.id` is the clip's and no user's: it counts as `clip_id`, as the one in `user.id` counts as `user_id`."""
    own = plain_name(last_key)
    parent = path[: -len(last_key)].rstrip(".").rpartition(".")[2]
    return f"{plain_name(parent)}_id" if own == "id" and parent not in ("", *WRAPPERS) else own


def plain_name(name: str) -> str:
    """`insertId`, `$insert_id` and `Insert ID` are all `insert_id`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^0-9a-z]+", "_", parted.casefold()).strip("_")


def _can_be(name: str, column: Column) -> bool:
    if not column.given:
        return False
    if name in ("event_time", "signup_date"):
        return column.times is not None
    if name == "event_id":
        return column.given_share > 0.99 and column.distinct >= LEAST_DISTINCT_IDS * column.given
    if name == "event_type":
        return column.distinct <= min(MOST_EVENT_TYPES, max(20, column.given // 2)) and column.times is None
    return column.times is None or column.has_integer_ids


def _evidence(name: str, column: Column, others: Sequence[Column]) -> str:
    given = f"given in {percent(column.given, column.rows)} of {column.rows:,} rows"
    if name in ("event_id", "user_id", "event_type"):
        given += f", {column.distinct:,} different"
    if others:
        also = " and ".join(
            f"{shown_name(other.path)} ({percent(other.given, other.rows)} given)" for other in others[:3]
        )
        given += f"; could also be {also}"
    return given


def required(name: str, looked: Looked, found: Role | None) -> Role:
    """`found`, or ChurnError with what the column could have been named."""
    if found is not None:
        return found
    what = {
        "user_id": "the user's id",
        "event_time": "a time",
        "event_type": "the event's type",
        "signup_date": "a signup date",
    }
    usual = ", ".join(NAMES[name][:4])
    own = f"in the export, or write churn.toml by hand with {name} under [sources.events.columns]"
    remedy = "or land the events alone, so that users are made from them" if name == "signup_date" else own
    raise ChurnError(
        f"{looked.files.shown} has no column that could be {what[name]}; name one {usual} or the like, {remedy}."
    )
