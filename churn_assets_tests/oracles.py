"""The specification once more, in plain Python and as slowly as it reads: what the transforms are held against.

Written from SPEC.md section 4 and BAD_INPUTS.md, row by row; no pandas, nothing of the package but its vocabularies.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from e_learning import KNOWN_EVENT_TYPES, QUARANTINE_REASONS

Row = dict[str, Any]
BAD = object()
"""A value that is there and cannot be read, as opposed to None: not there."""
MISSING_WORDS = {"", "unknown", "n/a", "na", "null", "none", "nan", "-"}
ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass
class Verdict:
    """What became of a landed row. `broken` holds every rule it breaks; the reason is the first by declaration."""

    row: Row
    clean: Row
    broken: set[str]
    repairs: set[str]
    outcome: str = "accepted"
    reason: str | None = field(default=None)

    def become(self, outcome: str, reason: str | None = None) -> None:
        self.outcome, self.reason = outcome, reason


# --- one value ---


def whole_id(text: str | None) -> tuple[int | None, bool]:
    """The id from 1 to 2^63 - 1, or None; and whether it was written as a decimal (12.0)."""
    digits = re.fullmatch(r"([0-9]+)(\.0*)?", (text or "").strip())
    number = int(digits[1]) if digits else 0
    return (number if 0 < number < 2**63 else None), bool(digits and digits[2])


def an_id(text: str | None, id_type: str) -> tuple[Any, bool]:
    if id_type == "string":
        return (text if (text or "").strip() else None), False
    return whole_id(text)


def number(text: str | None) -> Any:
    """A finite number of at most 1e12 either way, None if blank, BAD otherwise."""
    text = (text or "").strip()
    if not text:
        return None
    value = float(text) if NUMBER.fullmatch(text) else math.inf
    return value if abs(value) <= 1e12 else BAD


def utc(local: datetime, zone: str) -> datetime | None:
    """The one UTC instant a local time names; None in a DST gap or fold."""
    instants = {local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(timezone.utc) for fold in (0, 1)}
    back = {instant for instant in instants if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local}
    return back.pop().replace(tzinfo=None) if len(back) == 1 else None


def instant(text: str | None, zone: str) -> datetime | None:
    """UTC instant of an ISO 8601 timestamp: its own offset if it has one, else `zone`."""
    parts = ISO_TIME.fullmatch((text or "").strip())
    if not parts:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in parts.groups()[:6])
    microsecond = int((parts[7] or "0")[:6].ljust(6, "0"))
    try:
        local = datetime(year, month, day, hour, minute, second, microsecond)
    except ValueError:
        return None
    offset = parts[8]
    if offset is None:
        return utc(local, zone)
    if offset == "Z":
        return local
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return local - ahead if offset[0] == "+" else local + ahead


def business_day(at: datetime, zone: str) -> date:
    return at.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).date()


def day_of(text: str | None, source_zone: str, business_zone: str) -> date | None:
    """A bare date is that day; a timestamp is the business day its instant falls in."""
    bare = (text or "").strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", bare, re.ASCII):
        try:
            return date.fromisoformat(bare)
        except ValueError:
            return None
    at = instant(text, source_zone)
    return None if at is None else business_day(at, business_zone)


def tidy(text: str | None) -> str | None:
    """Trimmed and NFC; None if nothing is left."""
    return unicodedata.normalize("NFC", (text or "").strip()) or None


def source_value(row: Row, column: str, rules: Any) -> str | None:
    """The delivered text, or what the deployment's value map makes of it."""
    text = row[column]
    return text if text is None else rules.values.get(column, {}).get(text.strip(), text)


# --- events ---


def clean_events(rows: Iterable[Row], day: date, rules: Any) -> list[Verdict]:
    """Verdicts on the rows landed on `day`, given those landed in [day - L, day]."""
    window = [row for row in rows if day - timedelta(days=rules.lateness_days) <= row["landing_date"] <= day]
    verdicts = [judge_event(row, rules) for row in in_landing_order(window)]
    first_copy: dict[Any, Row] = {}
    for verdict in verdicts:
        if verdict.outcome == "accepted":
            clean = {name: verdict.clean[name] for name in sorted(verdict.clean)}
            first = first_copy.setdefault(clean.pop("event_id"), clean)
            if first is not clean:
                verdict.become(*(("duplicate",) if first == clean else ("quarantined", "conflict")))
    return [verdict for verdict in verdicts if verdict.row["landing_date"] == day]


def judge_event(row: Row, rules: Any) -> Verdict:
    """An event by itself: what it says, what is repaired, and which rules it breaks."""
    columns = ["event_id", "user_id", "event_time", "event_type", "course_id", "watch_minutes", "quiz_score", "amount"]
    said = {column: source_value(row, column, rules) for column in columns}
    event_id, event_id_repaired = an_id(said["event_id"], rules.event_id_type)
    user_id, user_id_repaired = an_id(said["user_id"], rules.user_id_type)
    at = instant(said["event_time"], rules.source_zone)
    kind = tidy(said["event_type"])
    kind = next((known for known in KNOWN_EVENT_TYPES if known == (kind or "").lower()), kind)
    minutes, score, amount = (number(said[column]) for column in columns[-3:])

    repairs = set()
    if event_id_repaired or user_id_repaired:
        repairs.add("id_written_as_decimal")
    if is_changed(said["event_type"], kind) or is_changed(said["course_id"], tidy(said["course_id"])):
        repairs.add("text_normalised")
    if minutes is None:
        repairs.add("minutes_missing")

    broken = unreadable(row, columns)
    if BAD in (minutes, score, amount):
        broken.add("bad_number")
        minutes, score, amount = (None if value is BAD else value for value in (minutes, score, amount))
    if kind in KNOWN_EVENT_TYPES and kind != "quiz_attempt" and score is not None:
        score = None
        repairs.add("score_not_applicable")
    if kind in KNOWN_EVENT_TYPES and kind not in ("payment_success", "payment_failed") and amount is not None:
        amount = None
        repairs.add("amount_not_applicable")
    day = None if at is None else business_day(at, rules.business_zone)
    late = None if day is None else (row["landing_date"] - day).days
    breaks = {
        "bad_user_id": user_id is None,
        "bad_event_id": event_id is None,
        "bad_event_time": at is None,
        "bad_event_type": kind is None,
        "negative_minutes": (minutes or 0) < 0,
        "quiz_without_score": kind == "quiz_attempt" and score is None,
        "score_out_of_range": score is not None and not 0 <= score <= 100,
        "payment_not_positive": kind in ("payment_success", "payment_failed") and amount is not None and amount <= 0,
        "future": late is not None and late < 0,
        "too_late": late is not None and late > rules.lateness_days,
    }
    broken |= {rule for rule, breaks_it in breaks.items() if breaks_it}
    clean = {"event_id": event_id, "user_id": user_id, "event_time": at, "event_date": day, "event_type": kind}
    clean |= {"course_id": tidy(said["course_id"]), "watch_minutes": minutes or 0.0}
    clean |= {"quiz_score": score, "amount": amount}
    return judged(row, clean, broken, repairs)


# --- users ---


def clean_users(rows: Iterable[Row], day: date, rules: Any) -> list[Verdict]:
    """Verdicts on the rows landed on `day`, given those of the day before."""
    rows = list(rows)
    before = {v.clean["user_id"]: v.clean for v in one_day_of_users(rows, day - timedelta(days=1), rules)}
    verdicts = one_day_of_users(rows, day, rules, keep_all=True)
    for verdict in verdicts:
        if verdict.outcome == "accepted" and before.get(verdict.clean["user_id"]) == verdict.clean:
            verdict.become("unchanged")
    return verdicts


def one_day_of_users(rows: Iterable[Row], day: date, rules: Any, *, keep_all: bool = False) -> list[Verdict]:
    """Verdicts of a day by itself: of a user's usable rows the first is kept."""
    verdicts = [judge_user(row, rules) for row in in_landing_order(row for row in rows if row["landing_date"] == day)]
    kept: dict[Any, Row] = {}
    for verdict in verdicts:
        if verdict.outcome == "accepted":
            first = kept.setdefault(verdict.clean["user_id"], verdict.clean)
            if first is not verdict.clean:
                verdict.become(*(("duplicate",) if first == verdict.clean else ("quarantined", "conflict")))
    return [verdict for verdict in verdicts if keep_all or verdict.outcome == "accepted"]


def judge_user(row: Row, rules: Any) -> Verdict:
    """A user row by itself. An attribute never costs a user."""
    columns = ["user_id", "signup_date", "plan", "is_paid", "country", "marketing_source"]
    said = {column: source_value(row, column, rules) for column in columns}
    user_id, id_repaired = an_id(said["user_id"], rules.user_id_type)
    signup = day_of(said["signup_date"], rules.source_zone, rules.business_zone)

    plan = (tidy(said["plan"]) or "").lower()
    plan = plan if plan in rules.product.attributes[0].values else "unknown"
    country = (tidy(said["country"]) or "").upper()
    country = "UNKNOWN" if country.lower() in MISSING_WORDS - {"na"} else tidy(country)
    source = (tidy(said["marketing_source"]) or "").lower()
    source = "unknown" if source in MISSING_WORDS else tidy(source)
    paid = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
        (said["is_paid"] or "").strip().lower()
    )
    now = {"plan": plan, "country": country, "marketing_source": source}
    repairs = {column for column, value in now.items() if value != said[column]}
    if paid is None:
        paid = plan not in ("free", "trial", "unknown")
        repairs.add("is_paid")
    if id_repaired:
        repairs.add("id_written_as_decimal")

    broken = unreadable(row, columns)
    if user_id is None:
        broken.add("bad_user_id")
    if signup is None or signup < date(1970, 1, 1):
        broken.add("bad_signup_date")
    return judged(row, {"user_id": user_id, "signup_date": signup, "is_paid": paid, **now}, broken, repairs)


# --- what users and events share ---


def in_landing_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["landing_date"], row["source_file"], row["source_row"]))


def unreadable(row: Row, columns: list[str]) -> set[str]:
    broken = {"malformed_row"} if row.get("read_error") else set()
    return broken | ({"nul_byte"} if any("\x00" in (row[column] or "") for column in columns) else set())


def is_changed(before: str | None, after: str | None) -> bool:
    return after is not None and before != after


def judged(row: Row, clean: Row, broken: set[str], repairs: set[str]) -> Verdict:
    verdict = Verdict(row, clean, broken, repairs)
    if broken:
        verdict.become("quarantined", next(reason for reason in QUARANTINE_REASONS if reason in broken))
    return verdict


def reconciliation(verdicts: Iterable[Verdict]) -> dict[tuple[date, str], Row]:
    """Per landing day and file: rows by outcome, and repairs of accepted rows by kind."""
    files: dict[tuple[date, str], Row] = {}
    outcomes = ("accepted", "duplicate", "unchanged", "quarantined")
    for verdict in verdicts:
        key = verdict.row["landing_date"], verdict.row["source_file"]
        counts = files.setdefault(key, dict.fromkeys(("read", *outcomes, "repaired"), 0) | {"repairs": {}})
        counts["read"] += 1
        counts[verdict.outcome] += 1
        if verdict.outcome == "accepted" and verdict.repairs:
            counts["repaired"] += 1
            for kind in verdict.repairs:
                counts["repairs"][kind] = counts["repairs"].get(kind, 0) + 1
    return files


# --- user-days ---

ATTRIBUTES = ("plan", "is_paid", "country", "marketing_source")


def versions_known_on(users: Iterable[Row], day: date, lateness: int) -> dict[Any, list[Row]]:
    """Each user's versions that `day` may know of (landed by day + L), first landed first."""
    known: dict[Any, list[Row]] = {}
    for user in sorted(users, key=lambda user: user["landing_date"]):
        if user["landing_date"] <= day + timedelta(days=lateness):
            known.setdefault(user["user_id"], []).append(user)
    return known


def user_day_grid(users: Iterable[Row], day: date, lateness: int) -> dict[Any, Row]:
    """The grid rows of `day` by user."""
    grid = {}
    for user_id, versions in versions_known_on(users, day, lateness).items():
        first = versions[0]
        signup = first["signup_date"]
        landed = [version for version in versions if version["landing_date"] <= day]
        if not landed and first["landing_date"] <= signup + timedelta(days=lateness):
            landed = [first]
        if landed and day >= signup:
            grid[user_id] = {"user_id": user_id, "as_of_date": day, "signup_date": signup}
            grid[user_id] |= {name: landed[-1][name] for name in ATTRIBUTES}
            grid[user_id]["days_since_signup"] = (day - signup).days
    return grid


def events_of(events: Iterable[Row], day: date) -> Iterator[Row]:
    return (event for event in events if event["event_date"] == day)


def user_daily(users: Iterable[Row], events: Iterable[Row], day: date, lateness: int) -> dict[Any, Row]:
    """The user_daily rows of `day` by user. Float sums are exact (fsum), so compare them approximately."""
    events = list(events_of(events, day))
    grid = user_day_grid(users, day, lateness)
    return {user: row | activity([e for e in events if e["user_id"] == user]) for user, row in grid.items()}


def activity(events: list[Row]) -> Row:
    """One user's day."""

    def of_type(name: str) -> list[Row]:
        return [event for event in events if event["event_type"] == name]

    scores = [event["quiz_score"] for event in of_type("quiz_attempt")]
    return {
        "total_events": len(events),
        "total_logins": len(of_type("login")),
        "total_watch_minutes": math.fsum(event["watch_minutes"] for event in events),
        "total_quiz_attempts": len(scores),
        "distinct_courses": len({event["course_id"] for event in events} - {None}),
        "avg_quiz_score": math.fsum(scores) / len(scores) if scores else None,
        "total_enrollments": len(of_type("course_enroll")),
        "payment_success_count": len(of_type("payment_success")),
        "payment_failed_count": len(of_type("payment_failed")),
        "payment_amount": math.fsum(event["amount"] or 0.0 for event in of_type("payment_success")),
        "support_ticket_count": len(of_type("support_ticket")),
        "total_sessions": sessions([event["event_time"] for event in events]),
        "is_active": bool(events),
    }


def sessions(times: Iterable[datetime]) -> int:
    """A gap of more than 30 minutes starts one, and so does the first event."""
    begun, last = 0, None
    for at in sorted(times):
        if last is None or at - last > timedelta(minutes=30):
            begun += 1
        last = at
    return begun


def unmatched_events(
    users: Iterable[Row], events: Iterable[Row], day: date, lateness: int, lookahead: int = 0
) -> dict[Any, str]:
    """Reason by (event_id, landing_date) of the events of `day` that no grid row takes."""
    users = list(users)
    grid, known = user_day_grid(users, day, lateness), versions_known_on(users, day, max(lateness, lookahead))
    unmatched = {}
    for event in events_of(events, day):
        user_id = event["user_id"]
        if user_id not in grid:
            is_early = user_id in known and day < known[user_id][0]["signup_date"]
            unmatched[event["event_id"], event["landing_date"]] = "before_signup" if is_early else "unknown_user"
    return unmatched
