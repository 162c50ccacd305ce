"""Damaged files, files of random types, random settings: read or refused, never a crash, a lost row, a row made of two, or another value.
`make fuzz` goes on from here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.landing import LandedFile
from churn_assets_tests.fuzz import cases
from churn_assets_tests.fuzz.attempts import attempt, kind_of
from churn_assets_tests.fuzz.campaign import campaign
from churn_assets_tests.fuzz.cases import Case, case, judge
from churn_assets_tests.fuzz.configured import judge_settings, settings_case
from churn_assets_tests.fuzz.files import COLUMNS, numbered_rows, rows_named, text_of, token
from churn_assets_tests.fuzz.typed import judge_typed, kinds, typed_case
from sizes import examples

BOUNDED = settings(
    max_examples=examples(150),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@BOUNDED
@given(st.integers(0, 2**32))
def test_a_damaged_file_is_refused_or_read_without_losing_or_mixing_rows(tmp_path: Path, number: int) -> None:
    judge(case(number), tmp_path / "landing")


@BOUNDED
@given(st.integers(0, 2**32))
def test_a_parquet_file_of_any_types_says_what_its_values_are_or_is_refused_by_name(
    tmp_path: Path, number: int
) -> None:
    judge_typed(typed_case(number), tmp_path)


@BOUNDED
@given(st.integers(0, 2**32))
def test_settings_are_refused_in_a_sentence_or_all_that_is_made_of_them_works(tmp_path: Path, number: int) -> None:
    judge_settings(settings_case(number), tmp_path)


def test_types_and_settings_come_to_both_ends(tmp_path: Path) -> None:
    outcomes = Counter(attempt(number, tmp_path) for number in range(200) if kind_of(number) != "damaged")
    assert {"typed read", "typed refused", "settings usable", "settings refused"} == set(outcomes)
    assert min(outcomes.values()) >= 4
    assert len({field.type for number in range(100) for field in typed_case(number).table.schema}) >= len(kinds()) - 2


@pytest.mark.parametrize("number", [19, 58])
def test_texts_as_views_can_be_erased_and_landed_too(tmp_path: Path, number: int) -> None:
    """Arrow takes no rows of them, and an erasure failed."""
    assert judge_typed(typed_case(number), tmp_path) == "read"


@pytest.mark.parametrize("number", [62, 675, 876])
def test_what_was_wrong_with_refusals_of_settings_stays_mended(tmp_path: Path, number: int) -> None:
    """No name of the file; characters that a terminal does not show."""
    assert judge_settings(settings_case(number), tmp_path) == "refused"


@pytest.mark.parametrize("number", [1000484, 1000812, 2002184, 3000948, 4010792, 4015868])
def test_what_a_campaign_found_stays_mended(tmp_path: Path, number: int) -> None:
    """JSON lines that bind no file of their own day; half a line end at the end; a schema that reads and cannot be written;
    a day of little but zeros.
    """
    judge(case(number), tmp_path / "landing")


def test_the_cases_come_to_every_end() -> None:
    """Without damage that is read whole, in part and not at all, the rule above would judge little."""
    assert case(7) == case(7)
    of_hundreds = [case(number) for number in range(300)]
    assert {one.suffix for one in of_hundreds} == {"csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"}
    assert sum(one.keeps_apart for one in of_hundreds) > 100
    assert len({name for one in of_hundreds for name in one.damage}) >= 14


def test_a_value_that_was_harmed_names_no_row() -> None:
    whole = token(12, "plan")
    assert rows_named([whole, f"x{whole},"]) == {12}
    assert rows_named([whole.replace("12", "13"), whole[:-1], whole.replace("plan", "plum")]) == set()


# --- the judge sees what it is there for ---


def good(suffix: str) -> Case:
    from random import Random

    text = text_of(numbered_rows(Random(3), 5), suffix, Random(3))
    return Case(0, suffix, text, text, True, ())


def swapped(table: pa.Table) -> pa.Table:
    """The plans of the first two rows in each other's place."""
    plans = table["plan"].to_pylist()
    at = table.column_names.index("plan")
    return table.set_column(at, "plan", pa.array([plans[1], plans[0], *plans[2:]], pa.string()))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        (lambda table: table.slice(0, 4), "other rows"),
        (lambda table: table.take([0, 1, 2, 4, 3]), "numbered in their order"),
        (swapped, "other fields"),
    ],
)
def test_a_reader_that_loses_or_mixes_rows_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, harm: object, seen: str
) -> None:
    assert judge(good(suffix), tmp_path) == "read"
    honest = cases.read_file

    def broken(path: Path, **how: object) -> LandedFile:
        landed = honest(path, **how)  # type: ignore[arg-type]
        return LandedFile(harm(landed.table), landed.drift, landed.repairs, landed.digest)  # type: ignore[operator]

    monkeypatch.setattr(cases, "read_file", broken)
    with pytest.raises(AssertionError, match=seen):
        judge(good(suffix), tmp_path)


def test_a_row_of_two_is_seen_where_no_other_parser_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "same_as_csv", lambda *_: None)
    mixed = f"{','.join(COLUMNS)}\n" + ",".join(token(1 + (name == "plan"), name) for name in COLUMNS) + "\n"
    with pytest.raises(AssertionError, match="made of two"):
        judge(Case(0, "csv", mixed.encode(), mixed.encode(), True, ()), tmp_path)


def test_a_packed_file_read_past_its_end_is_seen(tmp_path: Path) -> None:
    packed = Case(0, "csv", b"user_id,signup_date\n", None, True, ())
    with pytest.raises(AssertionError, match="gzip module"):
        judge(packed, tmp_path)


def test_the_campaign_prints_its_seed_and_goes_on_after_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    batches = iter([(12, Counter(read=12), "the reader's process died with -11"), (20, Counter(refused=7), None)])
    monkeypatch.setattr("churn_assets_tests.fuzz.campaign._batch", lambda *_: next(batches))
    monkeypatch.setattr("churn_assets_tests.fuzz.campaign.time.monotonic", iter([0, 1, 2, 99]).__next__)
    assert campaign(1, 0) == 1
    said = capsys.readouterr().out
    assert "seed 0" in said and "FOUND case 12" in said and "19 cases, 0 to 19" in said
    assert [path.name.split(".")[0] for path in (tmp_path / ".fuzz").iterdir()] == ["12"]


@pytest.mark.long
def test_the_campaign_runs_as_make_fuzz_starts_it() -> None:
    root = Path(__file__).parents[1]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "churn_assets_tests.fuzz", "0.02", "5"],
        cwd=root,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0 and "0 findings" in done.stdout, done.stdout + done.stderr
