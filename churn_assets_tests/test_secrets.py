"""The one credential, a webhook's address: read from the environment when it is needed, and written nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import build_run_status_sensor_context
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

import churn_assets
import worlds
from churn_assets.automation.alerts import ALERT_URL_VARIABLE, failure_alert, post
from churn_assets.automation.backfill import dagster_instance
from churn_assets.cli import cli
from churn_assets.graph import build_definitions
from churn_assets.settings import Settings

PACKAGE = Path(churn_assets.__file__).parent
SECRET = "T0KEN-of-the-webhook"
ENVIRONMENT_READ_BY = {
    "settings.py": "the settings, and where the data folder is",
    "automation/alerts.py": "the credential",
    "automation/backfill.py": "DAGSTER_HOME",
    "automation/event_log.py": "DAGSTER_HOME, and how many events Dagster stores at once",
    "automation/instance.py": "DAGSTER_HOME, and switches usage reports off",
    "commands/serve.py": "the token of the service, a credential",
    "online/redis_store.py": "the password of Redis, a credential",
    "report/data_docs.py": "switches usage reports off",
}


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:9/{SECRET}",
        f"http://127.0.0.1:9/{SECRET} with a space",
        f"http://127.0.0.1:9/{SECRET}\n",
        f"http://127.0.0.1:{SECRET}/",
        f"http://[{SECRET}/",
        f"http://a\uff0f{SECRET}/",
        f"http://{'a' * 70}.{SECRET}.invalid/",
        f"file:///{SECRET}",
        SECRET,
    ],
    ids=range(9),
)
def test_an_address_of_no_use_is_not_quoted(url: str) -> None:
    why = post(url, "a sentence")
    assert why is not None and SECRET not in why


@pytest.mark.long
def test_the_address_stands_in_no_file_no_output_and_nothing_that_the_ui_shows(
    landed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ALERT_URL_VARIABLE, f"http://127.0.0.1:9/{SECRET} x")
    worlds.deliver(landed, "users", worlds.day(1), 'user_id,signup_date\n1,"torn', name="torn.csv")
    one = worlds.deployment_of(landed)
    definitions = build_definitions(one.settings)
    outputs = [CliRunner().invoke(cli, ["--data", str(landed), *words]) for words in (["backfill"], ["status"])]
    assert outputs[0].exit_code == 1
    with dagster_instance(one) as instance:
        (run,) = instance.get_runs(limit=1)
        assert not run.is_success
        failure = instance.all_logs(run.run_id)[-1]
        context = build_run_status_sensor_context(
            "alert_on_failure", dagster_instance=instance, dagster_run=run, dagster_event=failure.dagster_event
        ).for_run_failure()
        failure_alert()(context)
        log = "".join(capfd.readouterr())
        assert "alert could not be sent: InvalidURL" in log
        shown = [serialize_value(RepositorySnap.from_def(definitions.get_repository_def())), str(run.run_config)]
        shown += [serialize_value(run), instance.info_str(), *(str(entry) for entry in instance.all_logs(run.run_id))]
    shown += [log, repr(one.settings), one.settings.model_dump_json()]
    shown += [result.output + result.stderr for result in outputs]
    assert all(len(text) > 1 for text in shown) and SECRET not in "".join(shown)
    files = [path for path in landed.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []


def test_nothing_else_looks_at_the_environment() -> None:
    """What is not read cannot be shown; what becomes a setting would be shown in the UI."""
    reading = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b|\bEnvVar\b", path.read_text("utf-8"))
    }
    assert reading == set(ENVIRONMENT_READ_BY)


def test_no_setting_is_a_credential() -> None:
    names = set(Settings.model_fields) | set(Settings.model_fields["sources"].default.users.model_dump())
    assert ALERT_URL_VARIABLE.removeprefix("CHURN_").lower() not in names
    assert not [name for name in names if re.search(r"url|token|password|secret|key$|credential", name)]
