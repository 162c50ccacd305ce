"""`churn-assets status` for programs and for cron: keys, types, and an exit code that says whether all is well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worlds import DAYS, churn, day, deliver, deliver_late_login, deployment_of, run_plainly, tamper, withdraw

PAGE = Path(__file__).parents[1] / "docs/status.md"
OF_A_TABLE = {"table": str, "days": int, "first": str | None, "last": str | None, "rows": int, "to_do": int}
TYPES: dict[str, Any] = {
    "warehouse": str,
    "calendar": dict,
    "tables": list,
    "why": list,
    "not_possible": list,
    "failing": list,
    "unclaimed": list,
    "training_set_is_due": bool,
    "model_is_due": bool,
    "online_store": str | None,
    "next": str | None,
    "is_well": bool,
}


def standing(data: Path) -> tuple[dict[str, Any], int]:
    done = churn(data, "status", "--json", "--exit-code")
    return json.loads(done.stdout), done.returncode


def test_the_page_has_every_key_and_no_other() -> None:
    cells = re.findall(r"^\| (`.*?`) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == [*TYPES]


def nothing_computed(data: Path) -> None:
    (data / "warehouse.duckdb").unlink()


def a_day_missing(data: Path) -> None:
    withdraw(data, day(DAYS))


def a_late_file(data: Path) -> None:
    deliver_late_login(data)


def a_file_nobody_looks_at(data: Path) -> None:
    deliver(data, "events", day(DAYS + 1), "event_id,user_id,event_time,event_type\n")


STATES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing is computed": (nothing_computed, "next"),
    "a day's files are gone": (a_day_missing, "not_possible"),
    "a late file has come": (a_late_file, "next"),
    "a file of a day after the calendar": (a_file_nobody_looks_at, "unclaimed"),
}


@pytest.mark.parametrize("state", ["well", *STATES])
def test_in_every_state_the_keys_are_there_and_the_exit_code_says_whether_all_is_well(
    computed: Path, state: str
) -> None:
    if state != "well":
        STATES[state][0](computed)
    found, exit_code = standing(computed)
    assert {key: isinstance(value, TYPES[key]) for key, value in found.items()} == dict.fromkeys(TYPES, True)
    assert [*found] == [*TYPES]
    for of_table in found["tables"]:
        assert {key: isinstance(value, OF_A_TABLE[key]) for key, value in of_table.items()} == dict.fromkeys(
            OF_A_TABLE, True
        )
    assert [of_table["table"] for of_table in found["tables"]] == [*deployment_of(computed).contracts]
    assert (exit_code, found["is_well"]) == ((0, True) if state == "well" else (1, False))
    if state != "well":
        assert found[STATES[state][1]]
    assert churn(computed, "status").returncode == 0, "only who asks for it gets an exit code"


def test_a_failing_check_is_named_with_its_days(computed: Path) -> None:
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = DATE '{day(3)}' AND user_id = 1")
    assert churn(computed, "backfill", day(3).isoformat(), "--select", "user_daily").returncode == 1
    failing = standing(computed)[0]["failing"]
    assert failing
    for entry in failing:
        assert entry["check"].startswith("user_daily.") and entry["days"] == [day(3).isoformat()] and entry["what"]


def test_to_do_is_what_a_backfill_computes(computed: Path) -> None:
    a_late_file(computed)
    found, _ = standing(computed)
    todo = {of_table["table"]: of_table["to_do"] for of_table in found["tables"] if of_table["to_do"]}
    work = run_plainly(computed)
    computed_days = dict.fromkeys(todo, 0)
    for run in work.works:
        for table in run.tables:
            computed_days[table] += len(run.days)
    assert computed_days == todo and todo["raw_events"] == 1
