"""What a person sees in the Dagster UI, and what they start there: real processes and a real browser.

`CHURN_SCREENSHOTS=docs/images pytest churn_assets_tests/test_ui.py -k shows` takes the README's pictures, of a demo.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import worlds
from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import RANGE_END, RANGE_START
from churn_assets.calendar import DayRange, calendar_days
from churn_assets.contracts import contracts
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.settings import Settings
from webserver import BACKFILL_STATUS, RUN_STATUS, Webserver, daemon, wait_until, webserver

pytestmark = pytest.mark.long

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
CHROMIUM_OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars
    --disable-background-networking --disable-component-update --disable-sync --no-proxy-server"""
SCREENSHOTS = os.environ.get("CHURN_SCREENSHOTS")
PAGE_SECONDS = 30
BACKFILL_SECONDS = 240
PICTURE_WIDTH = 1600  # pixels
PREFERENCES = {
    "dagster-nav-collapsed": "true",
    "large-screen-nav-open": "false",
    "asset-graph-direction": '"vertical"',
}
"""Where the UI's own switches are kept: navigation folded, the graph from top to bottom, which a page has room for."""

CLIP_OF_GRAPH = """const boxes = [...document.querySelectorAll('foreignObject')].map(n => n.getBoundingClientRect());
    const left = Math.min(...boxes.map(b => b.left)) - 16, top = Math.min(...boxes.map(b => b.top)) - 16;
    return {x: left, y: top, width: Math.max(...boxes.map(b => b.right)) + 16 - left,
        height: Math.max(...boxes.map(b => b.bottom)) + 16 - top};"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, landed_template: Path) -> Path:
    """A deployment brought up to date by `churn-assets backfill`; for pictures, a demo of the size a newcomer sees."""
    data = tmp_path_factory.mktemp("ui") / "data"
    if SCREENSHOTS:
        command = "demo"
    else:
        shutil.copytree(landed_template, data)
        command = "backfill"
    done = worlds.command("churn-assets", "--data", data, command, cwd=data.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return data


@pytest.fixture(scope="module")
def calendar(data: Path) -> DayRange:
    return calendar_days(Settings.load(data))


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Webserver]:
    """The webserver as it is offered to others than the operator."""
    with webserver(data, "--read-only") as server:
        yield server


class Browser:
    """A headless Chromium on the pages of one webserver."""

    def __init__(self, driver: Any, server: Webserver) -> None:
        self.driver, self._server = driver, server
        self.open("/robots.txt")
        for name, value in PREFERENCES.items():
            driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", name, value)

    def open(self, path: str, height: int = 1000) -> None:
        self.driver.set_window_size(PICTURE_WIDTH, height)
        self.driver.get(self._server.url + path)

    def text(self) -> str:
        return str(self.driver.find_element("tag name", "body").text)

    def waits_for(self, *texts: str) -> str:
        """The page's text once it has all of these; fails naming those it lacks after a while."""
        shown = ""

        def has_all() -> bool:
            nonlocal shown
            shown = self.text()
            return all(text in shown for text in texts)

        wait_until(
            has_all,
            PAGE_SECONDS,
            lambda: f"not on {self.driver.current_url}: {[t for t in texts if t not in shown]}\n{shown}",
        )
        return shown

    def picture(self, name: str, clip: str | None = None) -> None:
        """Save what is shown, or a part of it enlarged to the full width, if pictures were asked for."""
        if SCREENSHOTS:
            part = self.driver.execute_script(clip) if clip else {}
            options = {"clip": {**part, "scale": PICTURE_WIDTH / part["width"]}} if part else {}
            taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
            (Path(SCREENSHOTS).resolve() / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


@pytest.fixture(scope="module")
def browser(server: Webserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
    from selenium.webdriver.chrome.service import Service

    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("No browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in CHROMIUM_OPTIONS.split():
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Browser(driver, server)
    finally:
        driver.quit()


def test_the_graph_shows_every_table(browser: Browser, server: Webserver, data: Path) -> None:
    assets = server.assets()
    assert set(assets) == {
        *Deployment(Settings.load(data)).contracts,
        TRAINING_SET,
        "churn_model",
        "churn_transformer",
        "churn_report",
    }
    groups = ",".join(sorted({f"global%40global%3A{group}" for group in assets.values()}))
    browser.open(f"/asset-groups?expanded={groups}", height=1600)
    wait_until(lambda: all(named_in(name, browser.text().splitlines()) for name in assets), PAGE_SECONDS, browser.text)
    browser.picture("graph", CLIP_OF_GRAPH)


def named_in(name: str, lines: list[str]) -> bool:
    """Whether a line is that name, or the name cut in the middle as the UI does where the graph is small."""
    parts = (line.split("…") for line in lines)
    return any(name == p[0] if len(p) == 1 else name.startswith(p[0]) and name.endswith(p[-1]) for p in parts if p[0])


def test_the_partitions_page_shows_each_day_as_materialized(browser: Browser, calendar: DayRange) -> None:
    day = calendar.last
    browser.open(f"/assets/clean_events?view=partitions&partition={day}", height=1120)
    number = len(calendar)
    text = browser.waits_for(
        f"Materialized ({number})", "Missing (0)", "Failed (0)", "dagster/partition_row_count", "quality_score"
    )
    assert str(day) in text
    assert "Unsynced" not in text
    browser.picture("partitions")


def test_the_checks_tab_shows_a_result_for_each_day(browser: Browser, calendar: DayRange) -> None:
    browser.open("/assets/user_daily?view=checks&checkDetail=conserved", height=1250)
    browser.waits_for("This is a blocking asset check", "in_time_order", "admitted", "Plots")
    browser.picture("checks")
    browser.driver.find_elements("xpath", "//*[text()='Partitions']")[-1].click()
    number = len(calendar)
    browser.waits_for(f"Passed ({number})", "Skipped (0)", "Missing (0)", "Failed (0)")


def test_the_overview_shows_what_each_column_means(browser: Browser, data: Path) -> None:
    browser.open("/assets/user_daily?view=overview", height=2500)
    columns = contracts(Settings.load(data))["user_daily"].columns
    browser.waits_for(*(column.name for column in columns), "non-nullable", "data-engineering", "DuckDB")
    # Markdown draws `code` without its marks.
    browser.waits_for(*(column.description.replace("`", "") for column in columns))


IMAGE_IS_DRAWN = """const image = document.querySelector('img[src^="data:image/png;base64,"]');
    for (let box = image; box; box = box.parentElement) if (getComputedStyle(box).opacity < 1) return false;
    return image !== null && image.naturalWidth > 300"""


def test_the_report_shows_its_pictures(browser: Browser, data: Path) -> None:
    own = {"CHURN_DATA_DIR": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    materialize = ("dagster", "asset", "materialize", "-m", "churn_assets.definitions", "--select", "churn_report")
    made = worlds.command(*materialize, cwd=data.parent, variables=own)
    assert made.returncode == 0, made.stderr
    browser.open("/assets/churn_report?view=events", height=1120)
    browser.waits_for("active_users", "growth_accounting")
    browser.driver.find_element("xpath", "//*[contains(text(), 'Show Markdown')]").click()
    wait_until(lambda: bool(browser.driver.execute_script(IMAGE_IS_DRAWN)), PAGE_SECONDS, browser.text)
    browser.picture("metrics")


def test_read_only_shows_everything_and_starts_nothing(server: Webserver, calendar: DayRange) -> None:
    runs = server.ask("{ runsOrError { ... on Runs { results { status } } } }")["runsOrError"]["results"]
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert server.launch_backfill([calendar.first])["__typename"] == "UnauthorizedError"


@pytest.fixture(scope="module")
def launched(
    tmp_path_factory: pytest.TempPathFactory, landed_template: Path
) -> Iterator[tuple[Path, Webserver, list[Any]]]:
    """A landing of which nothing is computed, two backfills of it launched at once, and the daemon to run them."""
    data = Path(shutil.copytree(landed_template, tmp_path_factory.mktemp("launched") / "data"))
    with webserver(data) as server:
        # The daemon looks for backfills when it starts and then every 30 s, so it comes last.
        backfills = [server.launch_backfill(worlds.CALENDAR) for _ in range(2)]
        with daemon(data):
            yield data, server, backfills


def days_of_runs(server: Webserver) -> list[tuple[str, str]]:
    """First and last day of each run over a range."""
    runs = server.ask("{ runsOrError { ... on Runs { results { tags { key value } } } } }")["runsOrError"]["results"]
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]
    return [(tag[RANGE_START], tag[RANGE_END]) for tag in tags if RANGE_START in tag]


def test_backfills_from_the_ui_share_the_warehouse_and_give_what_the_command_gives(
    launched: tuple[Path, Webserver, list[Any]], expected: worlds.Hashes
) -> None:
    data, server, backfills = launched
    assert {answer["__typename"] for answer in backfills} == {"LaunchBackfillSuccess"}, backfills
    outcomes = [server.outcome(BACKFILL_STATUS, answer["backfillId"], BACKFILL_SECONDS) for answer in backfills]
    assert outcomes == ["COMPLETED_SUCCESS", "COMPLETED_SUCCESS"]
    assert not worlds.differing(worlds.hashes(data), expected)
    # One run each, although the windows of most assets reach over the day, and one for the scores, which wait for the model.
    assert days_of_runs(server) == [(str(worlds.START), str(worlds.LAST))] * 4


def test_one_partition_from_the_ui_is_one_run_of_that_day_and_the_command_line_may_work_meanwhile(
    launched: tuple[Path, Webserver, list[Any]], expected: worlds.Hashes
) -> None:
    data, server, _ = launched
    day = worlds.day(5)
    run = server.launch_run(day)
    beside = worlds.command("churn-assets", "--data", data, "backfill", worlds.day(9), "--force", cwd=data.parent)
    assert beside.returncode == 0, beside.stdout + beside.stderr
    assert server.outcome(RUN_STATUS, run, BACKFILL_SECONDS) == "SUCCESS"
    assert not worlds.differing(worlds.hashes(data), expected)
    rows = worlds.query(data, f"SELECT DISTINCT partition_date FROM churn.publish_ledger WHERE run_id = '{run}'")
    assert rows == [(day,)]
