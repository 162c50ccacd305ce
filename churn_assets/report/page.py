"""A report as one HTML page that needs nothing else: pictures inside it, no script, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import pandas as pd

from churn_assets.contracts.metrics import MONTH_DAYS, WEEK_DAYS
from churn_assets.figures import Picture
from churn_assets.report.at_risk import Lists
from churn_assets.report.contents import Contents, Quality, Warned

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Even if a value were ever not escaped, a browser would run nothing and fetch nothing."""
UNKNOWN = "–"  # noqa: RUF001 - an en dash, as tables have it


def page(contents: Contents, pictures: Mapping[str, Picture]) -> str:
    """The report as HTML."""
    growth = [_image(pictures[name]) for name in ("active_users", "growth_accounting") if name in pictures]
    retention = (
        [_image(pictures["retention"])] if "retention" in pictures else [_said("No whole week is observed yet.")]
    )
    sections = [
        _section("Growth", _cards(contents), *growth),
        _section("Retention", *retention),
        _section(
            f"Users on {contents.day}",
            '<div class="side">',
            *(_table([name, "users", "active"], map(_group, groups)) for name, groups in contents.groups.items()),
            "</div>",
        ),
        *([_section(contents.lists.title, *_at_risk(contents.lists))] if contents.lists else []),
        _section("Data quality", *_quality(contents)),
        _section("Data health", *_health(contents)),
        _section(
            "What is published",
            *([_said(f"Not yet: {', '.join(contents.waiting)}.")] if contents.waiting else []),
            _table(
                ["table", "days", "first", "last", "rows"],
                (
                    [table, f"{there.days:,}", str(there.first), str(there.last), f"{there.rows:,}"]
                    for table, there in contents.published.items()
                ),
            ),
        ),
    ]
    style = files("churn_assets.report").joinpath("report.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Report of {contents.day}</title>
<style>
{style}</style>
</head>
<body>
<h1>Growth, retention and data health</h1>
<p class="quiet">As of {contents.day}, the last day that is published.</p>
{"".join(sections)}</body>
</html>
"""


def _cards(contents: Contents) -> str:
    """The last day's figures, with what they were 30 days before where that is known."""
    by_day: Mapping[Any, Mapping[Any, Any]] = contents.growth.set_index("as_of_date").to_dict("index")
    today = pd.Timestamp(contents.day)
    now, before = by_day.get(today), by_day.get(today - pd.Timedelta(days=MONTH_DAYS))

    def card(label: str, column: str, shape: str, days: int = 1) -> str:
        def figure(row: Mapping[Any, Any] | None) -> str | None:
            """None where it is not known, or counted on fewer days than it should be."""
            if row is None or pd.isna(row[column]) or (days > 1 and row[f"days_observed_{days}d"] < days):
                return None
            return format(row[column], shape)

        was = figure(before)
        then = f"{MONTH_DAYS} days before: {was}" if was else ""
        return f'<div class="card"><b>{figure(now) or UNKNOWN}</b>{escape(label)}<small>{then}</small></div>\n'

    cards = [
        card("users", "users", ",.0f"),
        card("active in 30 days (MAU)", "mau", ",.0f", MONTH_DAYS),
        card("active in 7 days (WAU)", "wau", ",.0f", WEEK_DAYS),
        card("active on the day (DAU)", "dau", ",.0f"),
        card("stickiness (DAU / MAU)", "stickiness", ".0%", MONTH_DAYS),
        card("churned in 30 days", "churned_users", ",.0f", 2 * MONTH_DAYS),
        card("quick ratio", "quick_ratio", ".2f", 2 * MONTH_DAYS),
    ]
    return f'<div class="cards">{"".join(cards)}</div>\n'


def _at_risk(lists: Lists) -> Iterable[str]:
    yield _table(["rank", "user", "probability", "silent days", "why"], (user.cells for user in lists.top))
    yield _said(lists.ranked_by)
    yield _said(lists.how_good)


def _quality(contents: Contents) -> Iterable[str]:
    yield _said("Score: 100 × accepted / (rows read - duplicates - unchanged), of all landing days together.")  # noqa: RUF001
    headings = ["source", "score", "worst day", "rows read", "accepted", "duplicate", "unchanged", "quarantined"]
    yield _table(headings, map(_quality_row, contents.quality))
    if contents.reasons:
        yield _table(["source", "rejected because of", "rows"], ([s, r, f"{n:,}"] for s, r, n in contents.reasons))
    else:
        yield _said("No row was rejected.")


def _quality_row(quality: Quality) -> list[str]:
    worst = UNKNOWN if quality.worst_score is None else f"{quality.worst_score:.2f} on {quality.worst_day}"
    score = UNKNOWN if quality.score is None else f"{quality.score:.2f}"
    counts = (quality.read, quality.accepted, quality.duplicate, quality.unchanged, quality.quarantined)
    return [quality.source, score, worst, *(f"{count:,}" for count in counts)]


def _health(contents: Contents) -> Iterable[str]:
    blocking = sum(warned.blocking for warned in contents.warnings)
    if not contents.warnings:
        yield _said(f"Every check passes on each published day, {contents.judged}.")
        return
    yield _said(
        f"{len(contents.warnings)} checks do not pass on some published day, {contents.judged}; "
        + (f"{blocking} of them should stop a release." if blocking else "none of them stops a release.")
    )
    yield _table(["check", "", "days", "last", "what it expects, or what is wrong"], map(_warned, contents.warnings))


def _warned(warned: Warned) -> list[str]:
    severity = "blocking" if warned.blocking else "warning"
    return [warned.check, severity, f"{warned.days:,}", str(warned.last), warned.expects]


def _group(group: tuple[str, int, int]) -> list[str]:
    name, users, active = group
    return [name, f"{users:,}", f"{active / users:.0%}"]


def _section(title: str, *parts: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n"


def _said(sentence: str) -> str:
    return f'<p class="quiet">{escape(sentence)}</p>\n'


def _image(picture: Picture) -> str:
    return f'<img src="{picture.data_uri}" alt="{escape(picture.shows)}">\n'


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Every cell is text and is escaped; figures, as cells that begin with a digit, are set to the right."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _cell(text: str) -> str:
    figure = ' class="figure"' if text[:1].isdecimal() or text == UNKNOWN else ""
    return f"<td{figure}>{escape(text)}</td>"
