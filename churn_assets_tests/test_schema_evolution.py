"""A source that changes its columns: what each policy makes of it, and what is written down of each day."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from churn_assets.assets.landing_step import LandingStep
from churn_assets.automation.backfill import planned
from churn_assets.errors import ChurnError
from churn_assets.warehouse import publish
from delivered import FORMATS, written
from test_checks import judged
from worlds import DayRange, day, days, deliver, deployment_of, hashes, publish_plainly, query

V1 = {
    "user_id": "1",
    "signup_date": "2026-01-01",
    "plan": "pro",
    "is_paid": "1",
    "country": "DE",
    "marketing_source": "ads",
}
V2 = V1 | {"user_id": "2", "nps": "9"}
"""A column more."""
V3 = {
    **{name: value for name, value in V2.items() if name not in ("marketing_source", "is_paid")},
    "user_id": "3",
    "channel": "seo",
}
"""One renamed, one gone."""
ALIAS = '[sources.users.columns]\nmarketing_source = ["channel"]\n'
STEPS = {"raw_users", "clean_users"}


def deployed(data: Path, policy: str = "flexible", aliases: str = ALIAS, last: int = 1) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    text = f"start_date = {day(1)}\nend_date = {day(last)}\n[sources.users]\nschema_policy = '{policy}'\n{aliases}"
    (data / "churn.toml").write_text(text)
    for number in range(1, last + 1):
        deliver(
            data,
            "events",
            day(number),
            "event_id,user_id,event_time,event_type,course_id,watch_minutes,quiz_score,amount\n",
        )
    return data


def land(data: Path, version: dict[str, Any], name: str, landing: date | None = None) -> None:
    path = data / "landing/users" / f"date={landing or day(1)}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written([version], name.split(".", 1)[1]))


def run(data: Path) -> None:
    deployment = deployment_of(data)
    for work in planned(deployment, tables=STEPS).works:
        publish_plainly(deployment, work)


ACCEPTED = "SELECT user_id, plan, is_paid, country, marketing_source FROM churn.clean_users ORDER BY 1"
ALIGNED = [(1, "pro", True, "DE", "ads"), (2, "pro", True, "DE", "ads"), (3, "pro", True, "DE", "seo")]
EXTRA = "SELECT user_id, extra FROM churn.raw_users ORDER BY 1"


@pytest.mark.parametrize("suffix", FORMATS)
def test_25_versions_mixed_in_one_day_are_aligned_and_each_difference_is_named(tmp_path: Path, suffix: str) -> None:
    data = deployed(tmp_path / "data")
    for number, version in enumerate((V1, V2, V3), 1):
        land(data, version, f"v{number}.{suffix}")
    run(data)
    assert query(data, ACCEPTED) == ALIGNED
    kept = {user: json.loads(extra) if extra else None for user, extra in query(data, EXTRA)}
    assert kept == {"1": None, "2": {"nps": "9"}, "3": {"nps": "9"}}
    assert query(data, "SELECT count(*) FROM churn.quarantined_users") == [(0,)]
    verdict = judged(data, "users_files.schema_drift", days(1))[day(1)]
    assert verdict.failed and dict(verdict.figures) == {
        "added": "nps", "missing": "is_paid", "renamed": "channel -> marketing_source"
    }  # fmt: skip
    notes = query(
        data, "SELECT columns_added, columns_missing, columns_renamed FROM churn.users_files ORDER BY source_file"
    )
    assert [tuple(map(json.loads, row)) for row in notes] == [
        ([], [], {}),
        (["nps"], [], {}),
        (["nps"], ["is_paid"], {"channel": "marketing_source"}),
    ]


def test_25_versions_in_several_formats_on_one_day(tmp_path: Path) -> None:
    data = deployed(tmp_path / "data")
    for version, name in ((V1, "a.parquet"), (V2, "b.jsonl.gz"), (V3, "c.csv")):
        land(data, version, name)
    run(data)
    assert query(data, ACCEPTED) == ALIGNED


@pytest.mark.parametrize(
    ("policy", "aliases", "version", "refused_for"),
    [
        ("flexible", ALIAS, V3, None),
        ("flexible", "", V3, None),  # nobody said that channel is marketing_source: one is added, one is missing
        ("add_only", ALIAS, V2, None),
        ("add_only", ALIAS, V3, "lacks optional is_paid"),
        ("add_only", "", V3, "lacks optional is_paid, marketing_source"),
        ("strict", ALIAS, V1, None),
        ("strict", ALIAS, V1 | {"nps": "9"}, "outside the contract ('nps')"),
        ("strict", ALIAS, V3, "lacks optional is_paid"),
        ("strict", ALIAS, {("channel" if n == "marketing_source" else n): v for n, v in V1.items()}, None),
    ],
)
def test_what_a_policy_does_not_allow_refuses_the_day_and_keeps_what_is_published(
    tmp_path: Path, policy: str, aliases: str, version: dict[str, str], refused_for: str | None
) -> None:
    data = deployed(tmp_path / "data", policy, aliases)
    land(data, V1, "v1.csv")
    run(data)
    before = hashes(data)
    land(data, version | {"user_id": "7"}, "v2.csv")
    if refused_for is None:
        run(data)
        assert query(data, "SELECT count(*) FROM churn.clean_users") == [(2,)]
        return
    with pytest.raises(ChurnError) as raised:
        run(data)
    said = str(raised.value)
    assert refused_for in said and f'schema_policy = "{policy}"' in said and f"users/date={day(1)}/v2.csv" in said
    assert hashes(data) == before


def test_without_an_alias_a_renamed_column_is_one_added_and_one_missing(tmp_path: Path) -> None:
    data = deployed(tmp_path / "data", aliases="")
    land(data, V3, "v3.csv")
    run(data)
    figures = judged(data, "users_files.schema_drift", days(1))[day(1)].figures
    assert dict(figures) == {"added": "channel, nps", "missing": "is_paid, marketing_source", "renamed": ""}
    assert query(data, ACCEPTED) == [(3, "pro", True, "DE", "unknown")]


def test_drift_is_told_on_the_day_it_came_and_on_no_other(tmp_path: Path) -> None:
    data = deployed(tmp_path / "data", last=3)
    for number, version in enumerate((V1, V3, V1), 1):
        land(data, version, "users.csv", day(number))
    deployment = deployment_of(data)
    with deployment.warehouse.writing() as connection:
        notes = []
        for publication in LandingStep("users").publications(deployment, DayRange(day(1), day(3))):
            publish(connection, publication)
            notes.append(publication.notes())
    expected = {"columns_added": "nps", "columns_missing": "is_paid", "columns_renamed": "channel -> marketing_source"}
    assert notes == [{}, {day(1): {}, day(2): expected, day(3): {}}]
    found = judged(data, "users_files.schema_drift", DayRange(day(1), day(3)))
    assert [verdict.passed for verdict in found.values()] == [True, False, True]


def test_drift_that_stays_is_no_news_on_the_next_landing_day_whichever_days_are_asked_for(tmp_path: Path) -> None:
    data = deployed(tmp_path / "data", last=6)
    for number, version in ((1, V3), (3, V3), (4, V2), (6, V1)):
        land(data, version, "users.csv", day(number))
    run(data)
    expected = {day(1): False, day(3): True, day(4): False, day(6): True}
    together = judged(data, "users_files.schema_drift", DayRange(day(1), day(6)))
    assert {each: together[each].passed for each in expected} == expected
    for each, passed in expected.items():
        found = judged(data, "users_files.schema_drift", DayRange(each, each))
        assert {d: v.passed for d, v in found.items()} == {each: passed}
