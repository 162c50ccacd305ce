"""One sentence to a webhook when a run has failed: which run, which step, and the reason where it is ours.

No value of a row leaves the machine, and the address, which is a credential, is written nowhere.
"""

from __future__ import annotations

import json
import os
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

from dagster import DefaultSensorStatus, RunFailureSensorContext, SensorDefinition, run_failure_sensor

from churn_assets.automation.backfill import RANGE_END, RANGE_START, failure_sentence

ALERT_URL_VARIABLE = "CHURN_ALERT_URL"
"""Read when an alert is sent and no key of the settings file: those are shown, a webhook's address must not be."""
TIMEOUT_SECONDS = 10


def failure_alert() -> SensorDefinition:
    @run_failure_sensor(
        name="alert_on_failure",
        description=f"Posts one sentence about a failed run to ${ALERT_URL_VARIABLE}, or logs it where that is not set.",
        default_status=DefaultSensorStatus.STOPPED,
    )
    def alert(context: RunFailureSensorContext) -> None:
        sentence = alert_sentence(context)
        url = os.environ.get(ALERT_URL_VARIABLE)
        if not url:
            context.log.warning(sentence)
        elif why := post(url, sentence):
            context.log.error(f"{sentence} The alert could not be sent: {why}.")

    return alert


def alert_sentence(context: RunFailureSensorContext) -> str:
    """Which run failed and why, the reason of its first failed step in our own words or by its kind."""
    run = context.dagster_run
    days = run.tags.get("dagster/partition") or " .. ".join(
        dict.fromkeys(run.tags[tag] for tag in (RANGE_START, RANGE_END) if tag in run.tags)
    )
    about = f"Run {run.run_id[:8]} of {run.job_name}{f' ({days})' if days else ''} failed"
    for event in context.get_step_failure_events():
        return f"{about}: {failure_sentence(event.step_key or '', event.step_failure_data.error)}"
    return f"{about} before its first step; see it in the Dagster UI."


def post(url: str, sentence: str) -> str | None:
    """Send `{"text": sentence}`, which chat services take as a message. Gives why it could not be, never the address."""
    body = json.dumps({"text": sentence}).encode()
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            return f"{ALERT_URL_VARIABLE} is not an http or https address"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  # judged above
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return None
    except (OSError, ValueError, HTTPException) as error:
        return type(error).__name__  # Its words may quote the address, one with a space in it for example.
