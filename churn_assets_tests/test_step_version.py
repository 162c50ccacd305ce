"""What a step's version covers: each part that decides a result moves it, no other part does, in any process the same."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets import transforms
from churn_assets.assets.code_version import described
from churn_assets.assets.step import Deployment, Inputs, Step
from churn_assets.assets.steps import all_steps
from churn_assets.calendar import SAME_DAY, DayRange, Window
from churn_assets.contracts import Contract
from churn_assets.settings import Settings
from churn_assets.warehouse.selection import Selection
from worlds import BIN, environment

DEPLOYMENT = Deployment(Settings())
THRESHOLD = 3
TABLE = "user_daily"


@dataclass(frozen=True)
class Rules:
    limits: tuple[float, ...]
    flags: frozenset[str] = frozenset("abc")


def halved(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.head(len(frame) // 2)


def calling(by: int = 1, rules: Rules | None = None) -> Callable[[Inputs, DayRange], tuple[pd.DataFrame, ...]]:
    held = rules or Rules((1.0,))
    return lambda inputs, _: (inputs["user_day_grid"].head(by).assign(x=held.limits[0]),)


def stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts)


STEP = Step(
    name="user_daily",
    description="Words",
    group="user_days",
    outputs=(TABLE,),
    reads={"user_day_grid": SAME_DAY, "clean_events": Window(ahead=3)},
    compute=calling(),
    sized_by="user_day_grid",
    bucket_by="user_id",
    selects={"clean_events": Selection(columns=("user_id", "event_date"))},
    parameters=(3, Rules((0.5,))),
    combine={TABLE: stacked},
)


def version(step: Step, deployment: Deployment = DEPLOYMENT) -> str:
    return step.code_version(deployment)


def columns(step: Step) -> dict[str, str]:
    return {column.name: column.version for column in step.defined(DEPLOYMENT)[TABLE].columns}


def reads(**windows: Window) -> dict[str, Any]:
    return {"reads": {**STEP.reads, **windows}}


def selects(**selections: Selection) -> dict[str, Any]:
    return {"selects": {**STEP.selects, **selections}}


EVENTS = STEP.selects["clean_events"]


@pytest.mark.parametrize(
    "part",
    [
        {"compute": lambda inputs, _: (inputs["user_day_grid"].head(0),)},
        {"compute": lambda inputs, _: (inputs["user_day_grid"].head(2),)},
        {"compute": lambda inputs, _: (inputs["user_day_grid"].tail(0),)},
        {"compute": lambda inputs, _: (halved(inputs["user_day_grid"]),)},
        {"compute": lambda inputs, _: (inputs["user_day_grid"].head(THRESHOLD),)},
        {"compute": lambda inputs, _: tuple(frame for frame in [inputs["user_day_grid"]] if len(frame))},
        {"compute": lambda inputs, _: (transforms.user_daily(inputs["user_day_grid"], inputs["clean_events"]),)},
        {"compute": calling(by=2)},
        {"compute": calling(rules=Rules((1.5,)))},
        {"compute": calling(rules=Rules((1.0,), frozenset("abd")))},
        {"compute": functools.partial(calling(), extra=1)},
        reads(clean_events=Window(ahead=4)),
        reads(clean_events=Window(back=1, ahead=3)),
        reads(clean_events=Window(ahead=3, closes=True)),
        reads(clean_users=SAME_DAY),
        {"reads": {"user_day_grid": SAME_DAY}},
        selects(clean_events=replace(EVENTS, columns=("user_id",))),
        selects(clean_events=replace(EVENTS, columns=None)),
        selects(clean_events=replace(EVENTS, only="is_late")),
        selects(clean_events=replace(EVENTS, among=("user_id", ("a",)))),
        selects(clean_events=replace(EVENTS, window=SAME_DAY)),
        selects(more=replace(EVENTS, of="clean_events")),
        {"selects": {}},
        {"combine": {TABLE: halved}},
        {"combine": {}},
        {"parameters": (4, Rules((0.5,)))},
        {"parameters": (3, Rules((0.6,)))},
        {"definitions": {TABLE: {}}},
    ],
)
def test_each_part_that_decides_a_result_moves_the_version(part: dict[str, Any]) -> None:
    assert version(replace(STEP, **part)) != version(STEP)


@pytest.mark.parametrize(
    "part",
    [
        {"group": "another"},
        {"description": "Other words"},
        {"sized_by": "clean_events"},
        {"beyond": 0.5},
        {"after": ("clean_users",)},
        {"notes": lambda _: {}},
        {"about": "clean_users"},
        {"outcome": "is_active"},
        {"landed": {"users": SAME_DAY}},
        {"views": {TABLE: (EVENTS,)}},
        {"declared": {"clean_events": {"user_id": "x"}}},
        {"compute": calling()},
        {"parameters": (3, Rules((0.5,), frozenset("cba")))},
    ],
)
def test_no_other_part_moves_it(part: dict[str, Any]) -> None:
    assert version(replace(STEP, **part)) == version(STEP)


def test_user_daily_of_no_events_is_another_version() -> None:
    """The hole there was: the code that calls the transform decides too."""
    (step,) = (one for one in all_steps(Settings()) if one.name == "user_daily" and isinstance(one, Step))
    empty = replace(
        step,
        compute=lambda frames, _: (transforms.user_daily(frames["user_day_grid"], frames["clean_events"].head(0)),),
    )
    assert version(empty) != version(step)
    assert described(empty.compute)[1] == described(step.compute)[1] == {"churn_assets.transforms.user_days"}


@given(st.data())
def test_types_and_limits_of_a_column_move_that_column_and_the_step(data: st.DataObject) -> None:
    contract = DEPLOYMENT.contracts[TABLE]
    at = data.draw(st.integers(0, len(contract.columns) - 1))
    column = contract.columns[at]
    other = data.draw(
        st.sampled_from(
            [
                replace(column, nullable=not column.nullable),
                replace(column, maximum=-7.0),
                replace(column, provenance=not column.provenance),
            ]
        )
    )
    changed = Deployment(Settings())
    tables = {**changed.contracts, TABLE: _with(contract, at, other)}
    changed.__dict__["contracts"] = tables
    before, after = STEP.defined(DEPLOYMENT)[TABLE], STEP.defined(changed)[TABLE]
    assert before.changes(after).changed == (column.name,)
    assert version(STEP, changed) != version(STEP)


def _with(contract: Contract, at: int, column: Any) -> Contract:
    return replace(contract, columns=(*contract.columns[:at], column, *contract.columns[at + 1 :]))


# --- declarations ---

DECLARED: Mapping[str, Any] = {"total_logins": {"event": ["login"]}, "total_sessions": {"gap_minutes": 30}}


def with_declared(declared: Mapping[str, Any]) -> Step:
    """Its code holds all that is declared, and selects what that needs."""

    def compute(inputs: Inputs, _: DayRange) -> tuple[pd.DataFrame, ...]:
        return (inputs["user_day_grid"].assign(**declared),)

    needed = tuple(sorted(f"column_{name}" for name in declared))
    return replace(
        STEP, compute=compute, definitions={TABLE: declared}, selects={"clean_events": Selection(columns=needed)}
    )


def test_one_declaration_more_or_another_one_moves_its_own_column_alone() -> None:
    before = columns(with_declared(DECLARED))
    for more in ({"total_events": {"event": None}}, {"total_logins": {"event": ["sign_in"]}}):
        step = with_declared({**DECLARED, **more})
        moved = {name for name, found in columns(step).items() if before[name] != found}
        assert moved == set(more)
        assert version(step) != version(with_declared(DECLARED))


def test_without_declarations_every_column_depends_on_all_that_the_code_holds_and_selects() -> None:
    before = columns(STEP)
    for part in ({"compute": calling(rules=Rules((9.0,)))}, selects(clean_events=replace(EVENTS, columns=None))):
        after = columns(replace(STEP, **part))
        assert all(before[name] != after[name] for name in before)


def test_common_code_moves_every_column_though_they_are_declared() -> None:
    step = with_declared(DECLARED)
    for part in ({"compute": calling()}, {"parameters": (5,)}, reads(clean_events=Window(ahead=9))):
        after = columns(replace(step, **part))
        assert all(found != after[name] for name, found in columns(step).items())


# --- the same everywhere ---


class Colour(Enum):
    RED = 1


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value


@pytest.mark.parametrize(
    "value",
    [Plain(3), Plain(Plain("x")), Colour.RED, {"a": {1, 2}}, frozenset("xyz"), re.compile("a+"), date(2026, 1, 1), halved,
     functools.partial(halved, 3), Plain, pd.DataFrame, len, Rules((1.0,)), [lambda x: x in {"b", "a"}]],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_no_address_is_in_what_is_described(value: object) -> None:
    ((text,), _) = described(value)
    assert not re.search(r"0x[0-9a-f]{6,}|\bat 0x", text)
    assert described(value)[0] == [text]


def test_data_that_differs_is_described_otherwise() -> None:
    values = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {"1": 1}, {1: 1}, Plain(1), Plain("1"), Colour.RED]
    texts = [described(value)[0][0] for value in values]
    assert len(set(texts)) == len(texts)


def test_what_refers_to_itself_is_described_too() -> None:
    own: list[Any] = []
    own.append(own)
    assert described(own)[0] == ["list(itself)"]


@pytest.mark.long
def test_versions_are_the_same_in_every_process_whatever_order_its_sets_have() -> None:
    code = (
        "from churn_assets.assets.step import Deployment; from churn_assets.assets.steps import all_steps; "
        "from churn_assets.settings import Settings; s = Settings(); d = Deployment(s); "
        "print([(x.code_version(d), [(k, v.id) for k, v in x.defined(d).items()]) for x in all_steps(s)])"
    )
    versions = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment(PYTHONHASHSEED=seed),
            cwd=BIN,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(versions) == 1
    settings = Settings()
    here = [
        (x.code_version(DEPLOYMENT), [(k, v.id) for k, v in x.defined(DEPLOYMENT).items()]) for x in all_steps(settings)
    ]
    assert versions == {f"{here}\n"}
