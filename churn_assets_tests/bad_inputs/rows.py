"""Cases of rows: what is delivered between two good rows, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, str | None]
Source = str

GOOD: Mapping[Source, dict[str, str | None]] = {
    "events": {
        **{"event_id": "1", "user_id": "1", "event_time": "2026-01-05T10:00:00", "event_type": "login"},
        **{"course_id": None, "watch_minutes": "0", "quiz_score": None, "amount": None},
    },
    "users": {
        **{"user_id": "1", "signup_date": "2026-01-05", "plan": "free", "is_paid": "false"},
        **{"country": "DE", "marketing_source": "ads"},
    },
}
VIDEO, QUIZ = {"event_type": "video_watch", "watch_minutes": "9"}, {"event_type": "quiz_attempt", "quiz_score": "80"}
PAYMENT = {"event_type": "payment_success", "amount": "9.99"}


@dataclass(frozen=True)
class RowCase:
    """`rows` say how they differ from a good one; each has a fate: `accepted`, `duplicate`, or a quarantine reason.

    `kept` is what the first accepted one holds, `repairs` what was counted of the file.
    """

    number: int
    source: Source
    rows: tuple[Row, ...]
    fates: tuple[str, ...]
    kept: Mapping[str, Any] = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)
    good: Row = field(default_factory=dict)
    """How the good rows around differ from the usual ones."""

    def __str__(self) -> str:
        values = " ".join(f"{name}={value!r}" for name, value in self.rows[-1].items())
        return f"{self.number:02} {self.source} {values}"[:70]


def _event(number: int, fate: str, row: Row, **of_case: Any) -> RowCase:
    return RowCase(number, "events", (row,), (fate,), **of_case)


def _user(number: int, fate: str, row: Row, **of_case: Any) -> RowCase:
    return RowCase(number, "users", (row,), (fate,), **of_case)


HOSTILE = ("<script>alert(1)</script>", "=1+1", "+1", "-1", "@SUM(A1)", "'; DROP TABLE churn.clean_users; --")
ROUND_TRIPS = ('say "hi", twice', "line\nbreak", "a,b;c\td", "🙂", "\u202e\u05e9\u05dc\u05d5\u05dd", "back\\slash")
SCIENTIFIC = ("1.23457E+10", "1e5", "1E0")
FOREIGN_FIGURES = ("١٢", "\uff11\uff12", "१२", "1_000", "+12", "²", "Ⅻ", "1,234", "0x10")
SECONDS = {"event_time": "1767607200"}
NO_IDS = ("12.7", "", "-1", "0", "x1", "9223372036854775808")

ROW_CASES: tuple[RowCase, ...] = (
    *(_event(7, "accepted", {"course_id": text}, kept={"course_id": text}) for text in ROUND_TRIPS),
    *(_event(10, "nul_byte", {name: "7\0"}) for name in ("event_id", "event_type", "course_id", "watch_minutes")),
    *(_user(10, "nul_byte", {name: "7\0"}) for name in ("user_id", "plan", "marketing_source")),
    *(
        _event(26, "accepted", {name: "12.0"}, kept={name: 12}, repairs={"id_written_as_decimal": 1})
        for name in ("event_id", "user_id")
    ),
    _user(26, "accepted", {"user_id": "12.0"}, kept={"user_id": 12}, repairs={"id_written_as_decimal": 1}),
    *(_event(27, f"bad_{name}", {name: text}) for name in ("event_id", "user_id") for text in NO_IDS),
    *(_user(27, "bad_user_id", {"user_id": text}) for text in NO_IDS),
    *(
        _user(28, "accepted", {"user_id": text}, kept={"user_id": text}, declared={"id_type": "string"})
        for text in ("0007", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "12.0")
    ),
    *(_event(29, "bad_number", VIDEO | {"watch_minutes": text}) for text in ("NaN", "inf", "-Infinity", "1,5", "1e13")),
    *(_event(29, "bad_number", QUIZ | {"quiz_score": text}) for text in ("nan", "80,5")),
    _event(30, "negative_minutes", VIDEO | {"watch_minutes": "-0.5"}),
    *(_event(30, "score_out_of_range", QUIZ | {"quiz_score": text}) for text in ("-1", "100.5")),
    *(_event(30, "payment_not_positive", PAYMENT | {"amount": text}) for text in ("0", "-9.99")),
    _event(31, "accepted", VIDEO | {"watch_minutes": None}, kept={"watch_minutes": 0}, repairs={"minutes_missing": 1}),
    _event(32, "quiz_without_score", QUIZ | {"quiz_score": None}),
    _event(33, "accepted", {"quiz_score": "80"}, kept={"quiz_score": None}, repairs={"score_not_applicable": 1}),
    _event(33, "accepted", {"amount": "9.99"}, kept={"amount": None}, repairs={"amount_not_applicable": 1}),
    _event(34, "accepted", VIDEO | {"watch_minutes": "1441"}, kept={"watch_minutes": 1441}),
    _event(35, "accepted", {"event_type": "telepathy"}, kept={"event_type": "telepathy"}),
    _event(36, "accepted", {"event_type": " LOGIN"}, kept={"event_type": "login"}, repairs={"text_normalised": 1}),
    *(
        _user(36, "accepted", {"plan": text}, kept={"plan": plan}, repairs={"plan": 1})
        for text, plan in ((" PRO", "pro"), (None, "unknown"), ("gold", "unknown"))
    ),
    *(
        _user(36, "accepted", {"country": text}, kept={"country": country}, repairs={"country": 1})
        for text, country in ((" de", "DE"), (None, "UNKNOWN"), ("n/a", "UNKNOWN"))
    ),
    _user(37, "accepted", {"plan": "free", "is_paid": "true"}, kept={"plan": "free", "is_paid": True}),
    _event(38, "accepted", {"course_id": " Cafe\u0301 "}, kept={"course_id": "Café"}, repairs={"text_normalised": 1}),
    *(_event(39, "bad_event_time", {"event_time": text}) for text in ("05/01/2026 10:00", "Jan 5 2026", "20260105")),
    _user(39, "bad_signup_date", {"signup_date": "05.01.2026"}),
    *(
        _event(
            40, "accepted", {"event_time": text}, kept={"event_time": f"2026-01-05T{utc}"}, declared={"timezone": zone}
        )
        for text, utc, zone in (
            ("2026-01-05T10:00:00+05:30", "04:30:00", "Europe/Berlin"),
            ("2026-01-05T10:00:00Z", "10:00:00", "Europe/Berlin"),
            ("2026-01-05T10:00:00", "09:00:00", "Europe/Berlin"),
        )
    ),
    *(_event(41, "bad_event_time", {"event_time": text}) for text in ("1767607200", "1767607200000")),
    _user(42, "accepted", {"signup_date": "2024-02-29"}),
    *(_user(42, "bad_signup_date", {"signup_date": text}) for text in ("2026-02-29", "2026-02-30")),
    *(_event(42, "bad_event_time", {"event_time": f"2026-02-{day}T10:00:00"}) for day in (29, 30)),
    _event(43, "future", {"event_time": "2026-01-06T00:00:00"}),
    _event(44, "too_late", {"event_time": "2026-01-01T23:59:59.999999"}),
    _event(45, "accepted", {"event_time": "2026-01-02T00:00:00"}, kept={"event_date": "2026-01-02"}),
    *(
        _event(46, "accepted", {"event_time": f"2026-01-05T{text}"}, kept={"event_date": "2026-01-05"})
        for text in ("00:00:00", "23:59:59.999999")
    ),
    RowCase(47, "events", (VIDEO, VIDEO), ("accepted", "duplicate")),
    RowCase(48, "events", (VIDEO, VIDEO | {"watch_minutes": "10"}), ("accepted", "conflict")),
    RowCase(50, "users", ({}, {}, {"plan": "pro"}), ("accepted", "duplicate", "conflict")),
    *(_event(56, "accepted", {"course_id": text}, kept={"course_id": text}) for text in HOSTILE),
    *(
        _user(56, "accepted", {"marketing_source": text.lower()}, kept={"marketing_source": text.lower()})
        for text in HOSTILE
    ),
    *(_event(68, f"bad_{name}", {name: text}) for name in ("event_id", "user_id") for text in SCIENTIFIC),
    *(_user(68, "bad_user_id", {"user_id": text}) for text in SCIENTIFIC),
    *(
        _event(105, "accepted", {"event_type": text}, kept={"event_type": "login"}, repairs={"text_normalised": 1})
        for text in ("login\u200b", "\ufefflogin", " \u2060Login\u200b ")
    ),
    _user(105, "accepted", {"plan": "pro\u200b"}, kept={"plan": "pro"}, repairs={"plan": 1}),
    *(_event(110, "bad_event_id", {"event_id": text}) for text in ("7.40245381351497E+17", "7.4e17")),
    _user(110, "bad_user_id", {"user_id": "4.79386E+17"}),
    _event(111, "accepted", {"event_id": "740245381351497730"}, kept={"event_id": 740245381351497730}),
    _user(111, "accepted", {"user_id": "9007199254740993"}, kept={"user_id": 9007199254740993}),
    *(
        _event(112, "bad_event_time", {"event_time": text})
        for text in ("10:00:00", "2026-01-05:51:10.022", "2026-01", "2026-01-05T", "T10:00")
    ),
    *(
        _event(113, "bad_event_time", {"event_time": f"2026-01-05T10:00:00{zone}"})
        for zone in (" America/New_York", "[Europe/Berlin]", "+01:00[Europe/Berlin]", " PST", " CEST")
    ),
    *(_user(121, "bad_signup_date", {"signup_date": text}) for text in ("45352", "45352.0", "44927.5")),
    *(_event(121, "bad_event_time", {"event_time": text}) for text in ("46027", "46027.4166666667")),
    *(_event(122, "bad_event_id", {"event_id": text}) for text in FOREIGN_FIGURES),
    *(_user(122, "bad_user_id", {"user_id": text}) for text in FOREIGN_FIGURES),
    *(
        _event(123, "accepted", {"event_time": text}, declared={"timestamp_format": "epoch_s"}, good=SECONDS)
        for text in ("1.7676072E9", "1767607200.0", "1767607200.000000")
    ),
)
