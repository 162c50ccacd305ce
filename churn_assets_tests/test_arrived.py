"""Features as of now: what they are at any moment of a day is what a backfill would publish of the files that lie there then."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from churn_assets.assets.arrived import ArrivedFeatures, AsOfToday
from churn_assets.errors import ChurnError
from churn_assets.warehouse import read_days
from sizes import examples
from worlds import DAYS, SHORT_LABELS, day, days, deliver, deployment_of, run_plainly, small_world, write_settings

SETTLED = 9
"""The last published day; of those after it the files arrive."""
FROM_EVENTS = """[sources.users]
from_events = true
"""
KINDS: Mapping[str, str] = {"delivered users": "", "users from events": FROM_EVENTS}
Landed = dict[tuple[str, int], list[str]]
"""The lines of a source's file of a day, by source and the day's number."""
ACROSS_USERS = "900004,2,2026-01-09T09:00:00,login,,,,\n900101,3,2026-01-10T09:00:00,login,,,,\n900101,4,2026-01-10T09:00:00,login,,,,\n"
"""Of the first id another user has an event that landed before; two users claim the second."""


@pytest.fixture(scope="module", params=KINDS)
def settled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Landed]:
    """A deployment published until SETTLED, and what would land after."""
    data = tmp_path_factory.mktemp("settled") / "data"
    small_world(data)
    write_settings(data, labels=SHORT_LABELS + KINDS[request.param])
    events = data / f"landing/events/date={day(10)}/events.csv"
    events.write_text(events.read_text() + ACROSS_USERS)
    landed: Landed = {}
    for number in range(SETTLED + 1, DAYS + 1):
        for source in ("users", "events"):
            path = data / f"landing/{source}/date={day(number)}/{source}.csv"
            landed[source, number] = path.read_text().splitlines(keepends=True)
            shutil.rmtree(path.parent)
    run_plainly(data, days(1, SETTLED))
    return data, landed


@contextmanager
def copied(data: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(data, Path(folder) / "data"))


def land(data: Path, landed: Landed, number: int, cuts: Mapping[str, int]) -> None:
    """So many rows of each source's file of the day, below its header."""
    for source, rows in cuts.items():
        deliver(data, source, day(number), "".join(landed[source, number][: rows + 1]))


def published(data: Path, number: int) -> pd.DataFrame:
    """user_features of the day once a backfill has run."""
    run_plainly(data)
    deployment = deployment_of(data)
    with deployment.warehouse.reading() as connection:
        return read_days(connection, deployment.contracts["user_features"], days(number))


def assert_same(found: AsOfToday, wanted: pd.DataFrame) -> None:
    sorted_rows = [frame.sort_values("user_id", ignore_index=True) for frame in (found.features, wanted)]
    plain = [frame.astype(dict.fromkeys(frame.select_dtypes("category"), object)) for frame in sorted_rows]
    pd.testing.assert_frame_equal(*plain, check_exact=True)


@settings(max_examples=examples(3), phases=(Phase.explicit, Phase.generate))  # An example takes seconds.
@given(draw=st.data())
def test_at_any_moment_of_a_day_they_are_what_a_backfill_makes_of_the_files_that_lie_there(
    settled: tuple[Path, Landed], draw: st.DataObject
) -> None:
    template, landed = settled
    today = draw.draw(st.integers(SETTLED + 1, DAYS), label="today")
    with copied(template) as data:
        for number in range(SETTLED + 1, today):
            land(data, landed, number, {source: len(landed[source, number]) for source in ("users", "events")})
        features = ArrivedFeatures(deployment_of(data))
        cuts = dict.fromkeys(("users", "events"), 0)
        for _ in range(2):  # Two moments, asked of the same process: the files grow in between.
            cuts = {s: draw.draw(st.integers(n, len(landed[s, today])), label=s) for s, n in cuts.items()}
            land(data, landed, today, cuts)
            with copied(data) as apart:
                wanted = published(apart, today)
            some = draw.draw(st.lists(st.sampled_from([*wanted["user_id"], 10**9]), unique=True), label="users")
            assert_same(features.of(some, day(today)), wanted[wanted["user_id"].isin(some)])
            found = features.of([*wanted["user_id"]], day(today))
            assert_same(found, wanted)
            assert (found.settled_until, found.arrived_until) == (day(SETTLED), day(today))


def test_without_a_file_nothing_has_happened_since(settled: tuple[Path, Landed]) -> None:
    template, landed = settled
    with copied(template) as data:
        found = ArrivedFeatures(deployment_of(data)).of([*range(1, 61)], day(SETTLED + 2))
        assert found.arrived_until is None
        for number in (SETTLED + 1, SETTLED + 2):
            land(data, landed, number, {"users": 0, "events": 0})
        wanted = published(data, SETTLED + 2)
        assert_same(found, wanted[wanted["user_id"].between(1, 60)])


def test_what_cannot_be_said_is_refused_in_a_sentence(settled: tuple[Path, Landed], tmp_path: Path) -> None:
    data = Path(shutil.copytree(settled[0], tmp_path / "data"))
    at_last = ArrivedFeatures(deployment_of(data))
    assert at_last.of([1], day(SETTLED)).features["as_of_date"].tolist() == [pd.Timestamp(day(SETTLED))]
    write_settings(data, end_date="2026-12-31", labels=SHORT_LABELS)
    with pytest.raises(
        ChurnError, match=r"last published day is 2026-01-09, more than 31 days ago; run 'churn-assets backfill'"
    ):
        ArrivedFeatures(deployment_of(data)).of([1], day(60))
    deliver(data, "events", day(10), "event_id;user_id\n")
    with pytest.raises(ChurnError, match=r"date=2026-01-10"):
        ArrivedFeatures(deployment_of(data)).of([1], day(10))
    (data / "warehouse.duckdb").unlink()
    with pytest.raises(ChurnError, match="does not exist yet; run 'churn-assets backfill'"):
        ArrivedFeatures(deployment_of(data)).of([1], day(10))
