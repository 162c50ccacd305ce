"""Planted faults against what was found: each one, for its reason, and no clean row with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from churn_assets.automation.backfill import planned
from churn_assets.errors import ChurnError
from churn_assets.product import DEFAULT_PRODUCT, read_product, shipped_products
from churn_assets.synthetic import GeneratedWorld, Planted, generate
from churn_assets.synthetic.fault_kinds import event_faults, user_faults
from delivered import FORMATS
from oracles_rows import event_fate, user_fate
from test_checks import judged
from worlds import START, DayRange, command, day, deployment_of, publish_plainly, query, write_settings

WORLD_DAYS = 6
LATENESS = 2
Place = tuple[str, int, str]
"""File, row, reason."""


def world(data: Path, suffix: str, rate: float | None = 0.1, product: str = DEFAULT_PRODUCT) -> GeneratedWorld:
    return generate(
        data / "landing", product=product, start=START, days=WORLD_DAYS, users=220, seed=11,
        file_format=suffix,  # type: ignore[arg-type]
        signup_during=0.0, faults=rate, lateness_days=LATENESS,
    )  # fmt: skip


@pytest.fixture(
    scope="module",
    params=[
        *(
            pytest.param((DEFAULT_PRODUCT, one), id=one, marks=[pytest.mark.long] if one.endswith(".gz") else [])
            for one in FORMATS
        ),
        *(
            pytest.param(one, id="-".join(one))
            for one in (("music", "csv"), ("saas", "jsonl"), ("commerce", "parquet"))
        ),
    ],
)
def cleaned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GeneratedWorld]:
    """A product's world with a fault per ten rows, landed in one of the formats and cleaned."""
    data = tmp_path_factory.mktemp("faulty") / "data"
    product, suffix = request.param
    made = world(data, suffix, product=product)
    write_settings(data, end_date=day(WORLD_DAYS), lateness_days=LATENESS, product=f"'{product}'")
    deployment = deployment_of(data)
    for work in planned(deployment, tables={"raw_users", "raw_events", "clean_users", "clean_events"}).works:
        publish_plainly(deployment, work)
    return data, made


def expected(planted: tuple[Planted, ...], outcome: str) -> set[Place]:
    return {(one.file, one.row, one.reason) for one in planted if one.outcome == outcome}


def found(data: Path) -> set[Place]:
    return {
        row
        for source in ("users", "events")
        for row in query(data, f"SELECT source_file, source_row, reason FROM churn.quarantined_{source}")
    }


def recall_and_precision(found: Set[Place], expected: Set[Place]) -> tuple[float, float]:
    """Share of the expected that was found; share of the found that was expected."""
    right = len(found & expected)
    return right / len(expected), right / len(found)


def test_every_kind_is_planted_and_the_manifest_says_where(cleaned: tuple[Path, GeneratedWorld]) -> None:
    data, made = cleaned
    lines = not (data / "landing/events" / f"date={START}" / "events.parquet").exists()
    product = deployment_of(data).settings.declaration
    for source, faults in (("users", user_faults(product)), ("events", event_faults(product, LATENESS))):
        kinds = {one.kind for one in made.planted if one.file.startswith(source)}
        assert kinds == {one.kind for one in faults if lines or not one.is_broken}
    assert len({(one.file, one.row) for one in made.planted}) == len(made.planted) > 200


def test_each_fault_is_found_for_its_reason_and_nothing_else_is(cleaned: tuple[Path, GeneratedWorld]) -> None:
    data, made = cleaned
    assert recall_and_precision(found(data), expected(made.planted, "quarantined")) == (1.0, 1.0)


def test_no_clean_row_is_lost_and_the_rest_is_what_was_planted(
    cleaned: tuple[Path, GeneratedWorld], tmp_path: Path
) -> None:
    data, made = cleaned
    product = deployment_of(data).settings.product
    assert made.events == world(tmp_path, "csv", rate=None, product=product).events
    places = {(one.file, one.row): one.outcome for one in made.planted}
    accepted = {
        row
        for source in ("users", "events")
        for row in query(data, f"SELECT source_file, source_row FROM churn.clean_{source}")
    }
    assert accepted & places.keys() == {place for place, outcome in places.items() if outcome == "repaired"}
    [(clean_events,)] = query(
        data, "SELECT count(DISTINCT event_id) FROM churn.clean_events WHERE event_id < 1000000000000"
    )
    assert clean_events == made.events
    counted: Counter[str] = Counter()
    for source in ("users", "events"):
        for duplicates, repairs in query(data, f"SELECT rows_duplicate, repairs FROM churn.{source}_reconciliation"):
            counted.update(json.loads(repairs) | {"duplicate": duplicates})
    planted = Counter(one.reason or one.outcome for one in made.planted if one.outcome != "quarantined")
    assert +counted == planted


def test_checks_are_red_exactly_where_rows_were_rejected(cleaned: tuple[Path, GeneratedWorld]) -> None:
    data, made = cleaned
    asked = DayRange(day(1), day(WORLD_DAYS))
    for source in ("users", "events"):
        rejected = {
            one.file.split("date=")[1][:10]
            for one in made.planted
            if one.file.startswith(source) and one.outcome == "quarantined"
        }
        red = {str(at) for at, v in judged(data, f"quarantined_{source}.expectations", asked).items() if v.failed}
        assert red == rejected
        assert all(v.passed for v in judged(data, f"clean_{source}.reconciled", asked).values())


@pytest.mark.parametrize("product", shipped_products())
def test_planted_rows_of_every_product_are_what_they_are_listed_as_and_all_others_clean(
    tmp_path: Path, product: str
) -> None:
    """By an oracle that judges each row alone, to which a copy of a row is a good one; Parquet has no broken lines."""
    declared, landing = read_product(product), tmp_path / "landing"
    made = generate(
        landing, product=product, start=START, days=3, users=400, seed=2, faults=0.15, lateness_days=LATENESS,
        file_format="parquet", signup_during=0.0,
    )  # fmt: skip
    planted = {(one.file, one.row): one for one in made.planted}
    kinds = {one.kind for one in (*user_faults(declared), *event_faults(declared, LATENESS)) if not one.is_broken}
    assert {one.kind for one in made.planted} == kinds
    for path in sorted(landing.rglob("*.parquet")):
        landed = date.fromisoformat(path.parent.name.removeprefix("date="))
        for number, row in enumerate(pq.read_table(path).to_pylist(), 1):
            one = planted.get((path.relative_to(landing).as_posix(), number))
            is_user = path.stem == "users"
            fate = user_fate(row, declared) if is_user else event_fate(row, declared, landed, LATENESS)
            if one is None or one.outcome == "duplicate" or one.reason == "conflict":
                assert fate == ("", frozenset())
            elif one.outcome == "quarantined":
                assert fate[0] == one.reason, one
            else:
                assert fate == ("", {one.reason}), one


def test_a_fault_that_is_missed_and_a_clean_row_that_is_rejected_are_seen() -> None:
    one, other, third = ("a", 1, "nul_byte"), ("a", 2, "bad_number"), ("a", 3, "future")
    assert recall_and_precision({one}, {one, other}) == (0.5, 1.0)
    assert recall_and_precision({one, third}, {one}) == (1.0, 0.5)
    assert recall_and_precision({("a", 1, "bad_number"), third}, {one, third}) == (0.5, 0.5)


def test_the_same_seed_plants_the_same_faults(tmp_path: Path) -> None:
    one, other = world(tmp_path / "one", "jsonl"), world(tmp_path / "other", "jsonl")
    assert one == other
    for path in (tmp_path / "one").rglob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / "other" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(ChurnError, match="rate of faults"):
        world(tmp_path, "csv", rate)


def test_the_command_writes_the_manifest_beside_the_landing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_settings(data.parent, end_date=day(2))
    done = command(
        "churn-assets",
        "--data",
        data,
        *["generate", "--users", "60", "--days", "3", "--faults", "0.2", "--seed", "5"],
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((data / "faults.json").read_text())
    assert (written["seed"], written["rate"]) == (5, 0.2) and f"{len(written['faults'])} faults planted" in done.stdout
    made = generate(tmp_path / "landing", start=START, days=3, users=60, seed=5, faults=0.2)
    assert written["faults"] == [asdict(one) for one in made.planted]
    assert not list((data / "landing").rglob("*.json"))
