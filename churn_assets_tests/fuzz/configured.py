"""Settings from a number, right ones and wrong ones, and what must be true of them: they are refused in a sentence when they are read, or
all that is made of them works, and the files of a small day are read, or refused in a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import all_steps
from churn_assets.calendar import calendar_days, daily_partitions
from churn_assets.checks.graph import all_checks
from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import read_file
from churn_assets.landing.folder import Deliveries
from churn_assets.settings import SOURCES, Settings
from churn_assets.transforms import clean_events, clean_users, cleaning_rules
from churn_assets_tests.delivered import raw_frame

DAY = date(2026, 1, 2)
FILES = {
    "users": "user_id,signup_date,plan,is_paid,country,marketing_source,updated_at\n7,2026-01-01,free,0,DE,ads,2026-01-01\n",
    "events": "event_id,user_id,event_time,event_type,course_id,amount\n1,7,2026-01-02T10:00:00,login,,\n2,7,x,login,c1,3\n",
}
ODD: Sequence[Any] = (
    "",
    " ",
    "\0",
    "é",
    "x" * 300,
    0,
    -1,
    1.5,
    True,
    [],
    [""],
    {},
    date(2026, 1, 1),
    10**30,
    "2026-13-01",
    float("inf"),
)
"""What no key, or hardly one, wants."""
NAMES = (
    "user_id",
    "event_id",
    "event_time",
    "event_type",
    "plan",
    "country",
    "amount",
    "updated_at",
    "extra",
    "nope",
    "USER_ID ",
    "a.b",
)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "EST5EDT",
    "utc",
    "Mars/Base",
    "localtime",
)
FORMATS = (
    "iso8601",
    "epoch_s",
    "epoch_ms",
    "epoch_ns",
    "%d.%m.%Y",
    "%Y-%m-%d",
    "%d/%m/%Y %H:%M",
    "%Z",
    "%H:%M",
    "mixed",
    "%Y-%m-%dT%H:%M:%SZ",
)
TOP: Mapping[str, Sequence[Any]] = {
    "timezone": ZONES,
    "lateness_days": (0, 1, 3, 60, 61),
    "signup_lookahead_days": (0, 30, 9999),
    "block_rows": (1, 500_000, 0),
    "lock_timeout_seconds": (1, 0.5, 0),
    "end_date": (date(2026, 1, 5), date(2025, 1, 1), "2026-01-09"),
    "product": ("e_learning", "music", "saas", "commerce", "blank", "none"),
    "drop": (["plan"], ["is_paid", "plan"], ["nope"], "is_paid"),
}
OF_SOURCES: Mapping[str, Sequence[Any]] = {
    "format": ("csv", "jsonl", "xml"),
    "encoding": ("utf-8", "cp1252", "utf-16", "utf-8-sig", "idna", "hex"),
    "delimiter": (",", ";", "\t", "|", "||", "a"),
    "quote": ('"', "", "'"),
    "escape": ("", "\\", "/"),
    "timezone": ZONES,
    "landing_timezone": ZONES,
    "timestamp_format": (*FORMATS, ["iso8601", "epoch_s"], list(FORMATS[:5]), []),
    "quiet_days": ("missing", "empty", "never"),
    "id_type": ("integer", "string", "uuid"),
    "schema_policy": ("flexible", "add_only", "strict", "lenient"),
    "missing": ([], ["NULL", "\\N"], "-", [7]),
    "lacks": ([], ["country"], ["amount"], ["user_id"], "plan"),
    "max_file_mebibytes": (1, 2048, 0),
    "from_events": (True, False),
    "valid_from": ([], "updated_at", ["since", "updated_at"]),
    "attributes_as_of": (date(2026, 1, 3), "2026-01-03"),
    "event_types": ([], ["nap"], "nap"),
    "event_id_from": ([], ["user_id", "event_time"], "nope"),
    "plans": (["free", "solo"], [], "free", [1]),
}
OTHERS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "labels": {
        "kind": ("silence", "event", "lapse", "none"),
        "horizon_days": (1, 30, 365, 0),
        "at_risk_days": (1, 30, 999),
        "activity": (["total_events"], ["nope"], "total_events"),
        "event": (["login"], "nope"),
        "starts": (["login"], ["course_enroll"]),
        "at_risk": ({"is_paid": True}, {"plan": ["pro"]}, {"nope": 1}),
        "paid_until": ("amount", "nope"),
        "grace_days": (0, 7, 999),
        "outages": (
            [{"first": date(2026, 1, 2)}],
            [{"last": date(2026, 1, 2)}],
            [{"first": date(2026, 1, 2), "nope": 1}],
        ),
    },
    "training": {
        "stride_days": (1, 7, 0),
        "embargo_days": (0, 30, 90),
        "validation_share": (0.2, 0.9),
        "test_share": (0.2, 0.9),
    },
    "checks": {
        "max_volume_ratio": (2, 10, 1),
        "max_rejected_share": (0.5, 1, 0),
        "max_unmatched_share": (0.01, 1, 2),
        "expected_surges": ([date(2026, 1, 2)], ["never"]),
    },
}


@dataclass(frozen=True)
class SettingsCase:
    number: int
    text: str


def settings_case(number: int) -> SettingsCase:
    random = Random(number)
    lines = [f"start_date = {DAY}"]
    lines += _lines(random, TOP, random.randrange(3))
    for source in random.sample(SOURCES, random.randrange(3)):
        lines += [f"[sources.{source}]", *_lines(random, OF_SOURCES, random.randrange(5))]
        for table in random.sample(("columns", "values"), random.randrange(2)):
            lines.append(f"[sources.{source}.{table}]")
            for name in random.sample(NAMES, random.randrange(3)):
                aliases = random.sample(NAMES, random.randrange(1, 3))
                value: Any = aliases if table == "columns" else {"a": random.choice(("free", "login", "nope", ""))}
                lines.append(f"{json.dumps(name)} = {_literal(value)}")
    for table, keys in OTHERS.items():
        if random.random() < 0.3:
            lines += [f"[{table}]", *_lines(random, keys, random.randrange(1, 4))]
    return SettingsCase(number, "\n".join(lines) + "\n")


def _lines(random: Random, keys: Mapping[str, Sequence[Any]], count: int) -> list[str]:
    chosen = random.sample(sorted(keys), min(count, len(keys)))
    values = {key: random.choice(ODD if random.random() < 0.1 else keys[key]) for key in chosen}
    unknown = ["colour = 1"] if random.random() < 0.02 else []
    return [*(f"{key} = {_literal(value)}" for key, value in values.items()), *unknown]


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_literal(of)}" for key, of in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def judge_settings(one: SettingsCase, folder: Path) -> str:
    """`refused`, or `usable`. Raises AssertionError, or whatever was raised that is no refusal."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "churn.toml"
    path.write_text(one.text, encoding="utf-8")
    try:
        settings = Settings.load(folder)
        product = settings.declaration
    except ChurnError as refused:
        said = str(refused)
        assert said.endswith(".") and said.isprintable(), f"the refusal is one sentence: {said!r}"
        assert str(path) in said or "product" in said, f"the refusal names the file: {said!r}"
        return "refused"
    deployment = Deployment(settings)
    tables = contracts(settings)
    assert all(step.code_version(deployment) and step.defined(deployment) for step in all_steps(settings))
    assert {check.table for check in all_checks(settings)} <= tables.keys()
    assert calendar_days(settings) is not None and daily_partitions(settings).timezone
    for source in settings.landed_sources:
        own, days = settings.source(source), Deliveries.of(settings, source)
        place = days.folder(DAY) / f"a.{'csv' if own.format is None else own.format}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(FILES[source].replace(",", own.delimiter).encode(own.encoding))
        try:
            landed = read_file(place, source=source, product=product, settings=own, landing_dir=settings.landing_dir)
        except RefusedFile as refused:
            assert str(refused).isprintable() and str(refused).endswith(".")
            continue
        finally:
            place.unlink()
        clean = clean_events if source == "events" else clean_users
        raw = raw_frame(tables[f"raw_{source}"], landed, DAY)
        cleaned = clean(raw, first_day=DAY, last_day=DAY, rules=cleaning_rules(settings, source))
        assert len(cleaned.accepted) + len(cleaned.quarantined) + _copies(cleaned.reconciliation) == len(raw)
    return "usable"


def _copies(reconciliation: Any) -> int:
    counts = reconciliation.sum(numeric_only=True)
    return int(counts.get("rows_duplicate", 0) + counts.get("rows_unchanged", 0))
