"""`churn-assets report` and the pictures in the UI: real files, nothing run or fetched, one sentence where there is nothing."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, MarkdownMetadataValue
from PIL import Image

from churn_assets.automation.backfill import dagster_instance
from churn_assets.report import gather, page, write_report
from test_cli import churn, said
from worlds import DAYS, day, days, deployment_of, query, run_with_dagster, tamper

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_it_writes_a_page_and_pictures_into_the_data_folder_and_says_where(computed: Path) -> None:
    done = churn(computed, "report")
    assert done.returncode == 0, done.stderr
    folder = computed / "reports"
    names = ["report.html", "active_users.png", "growth_accounting.png", "retention.png"]
    assert done.stdout.split() == [str(folder / name) for name in names]
    for name in names[1:]:
        with Image.open(folder / name) as image:
            image.verify()


def test_another_folder_may_be_named(computed: Path, tmp_path: Path) -> None:
    assert churn(computed, "report", "--out", tmp_path / "a" / "b").returncode == 0
    assert (tmp_path / "a" / "b" / "report.html").exists() and not (computed / "reports").exists()


def test_a_folder_that_cannot_be_written_is_named(computed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--out" in said(churn(computed, "report", "--out", tmp_path / "file" / "below"))


@pytest.mark.parametrize("begun", [False, True])
def test_where_nothing_is_published_it_says_so_in_one_sentence(landed: Path, begun: bool) -> None:
    if begun:
        with deployment_of(landed).warehouse.writing():
            pass
    assert "run 'churn-assets backfill' first" in said(churn(landed, "report"))
    assert not (landed / "reports").exists()


def test_the_same_warehouse_gives_the_same_bytes(computed: Path, tmp_path: Path) -> None:
    deployment = deployment_of(computed)
    one, other = (write_report(deployment, tmp_path / name) for name in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_hostile_name_is_text_and_nothing_runs_or_is_fetched(computed: Path) -> None:
    for column in ("plan", "country"):
        tamper(computed, f"UPDATE churn.user_daily SET {column} = '{HOSTILE}' WHERE as_of_date = '{day(DAYS)}'")
    html = page(gather(deployment_of(computed)), {})
    elements = Elements(html)
    assert elements.texts.count(HOSTILE) == 2
    assert {tag for tag, _ in elements.tags}.isdisjoint({"script", "img", "iframe", "link", "object", "form", "a"})
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert "default-src 'none'" in html


def test_its_pictures_are_inside_it(computed: Path, tmp_path: Path) -> None:
    html = write_report(deployment_of(computed), tmp_path)[0].read_text(encoding="utf-8")
    sources = [attributes["src"] or "" for tag, attributes in Elements(html).tags if tag == "img"]
    assert len(sources) == 3 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import", html)


def test_it_says_what_is_published_how_good_it_is_and_who_the_users_are(computed: Path) -> None:
    contents = gather(deployment_of(computed))
    assert contents.day == day(DAYS) and contents.judged == days(1, DAYS)
    counted = {table: (one.days, one.rows) for table, one in contents.published.items()}
    for table in deployment_of(computed).contracts:
        assert counted[table] == (DAYS, query(computed, f"SELECT count(*) FROM churn.{table}")[0][0])
    events = contents.quality[1]
    # Landing day 6 is the only one with rejected rows: six of them.
    assert (events.source, events.quarantined, events.worst_day) == ("events", 6, day(6))
    assert events.read == events.accepted + events.duplicate + events.unchanged + events.quarantined
    assert events.score == pytest.approx(100 * events.accepted / (events.accepted + 6))
    assert ("events", "too_late", 1) in contents.reasons
    users = query(computed, f"SELECT count(*) FROM churn.user_day_grid WHERE as_of_date = '{day(DAYS)}'")[0][0]
    for groups in contents.groups.values():
        assert sum(count for _, count, _ in groups) == users


def test_checks_that_fail_are_named_with_their_days(computed: Path) -> None:
    def warned() -> dict[str, tuple[bool, int, date]]:
        return {one.check: (one.blocking, one.days, one.last) for one in gather(deployment_of(computed)).warnings}

    assert warned()["unmatched_events.expectations"] == (False, 1, day(6))
    tamper(computed, f"UPDATE churn.growth_daily SET mau = mau + 1 WHERE as_of_date = '{day(4)}'")
    assert warned()["growth_daily.recounted"] == (True, 1, day(4))
    assert "1 of them should stop a release" in page(gather(deployment_of(computed)), {})


def test_the_last_day_of_a_run_carries_the_pictures_and_no_other_day_does(landed: Path) -> None:
    assert run_with_dagster(landed, days(1, 8)).succeeded
    expected = {"growth_daily": {"active_users", "growth_accounting"}, "retention_cohorts": {"retention"}}
    with dagster_instance(deployment_of(landed)) as instance:
        for table, names in expected.items():
            for at in (day(7), day(8)):
                record = instance.fetch_materializations(
                    AssetRecordsFilter(asset_key=AssetKey(table), asset_partitions=[str(at)]), limit=1
                ).records[0]
                assert record.asset_materialization
                shown = {
                    name: value.md_str or ""
                    for name, value in record.asset_materialization.metadata.items()
                    if isinstance(value, MarkdownMetadataValue)
                }
                assert set(shown) == (names if at == day(8) else set())
                assert all("](data:image/png;base64," in text and len(text) < 60_000 for text in shown.values())
