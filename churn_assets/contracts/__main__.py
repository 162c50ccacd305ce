"""`python -m churn_assets.contracts` prints docs/tables.md, and with `features` docs/features.md.

What they say comes from the contracts; nothing is typed twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from churn_assets.contracts.base import Column, Contract
from churn_assets.contracts.declared import feature_column, quarantine_reasons
from churn_assets.contracts.lineage import Sources, column_lineage
from churn_assets.contracts.tables import UNMATCHED_REASONS, contracts
from churn_assets.product.columns import FeatureColumn
from churn_assets.serving_settings import SQLITE, ServingSettings
from churn_assets.settings import Settings

INTRODUCTION = """\
# Tables

DuckDB schema `churn` of `<data>/warehouse.duckdb`, in the order they are computed; the name of a table is the name of its
asset. A partition is one day, the *partition column*, and is replaced whole. Nothing is stored that breaks what is written here:
types, nulls, limits (inclusive), keys and rules are checked before a day is published.

Instants are UTC. An id is `BIGINT` from 1 up, or `VARCHAR` where the source's `id_type` is `string`
([settings](settings.md)). `served_consistency` is of deployments that [serve](serving.md). Columns marked °
say where a row came from, not what it says; two days that differ only there have the same content hash.

Written by `make docs` from the contracts in `churn_assets/contracts/` and the declaration `churn_assets/products/e_learning.toml`; edit
those.
"""

FEATURES_INTRODUCTION = """\
# Features

Columns of [user_features](tables.md#user_features): what is known of each user at the end of each day. A window ends with
`as_of_date` and includes it: of 7 days, it is `[d - 6, d]`. Days that are not published, and those before the user's first row,
are not observed: they are no zeros, and `days_observed_*` leaves them out.

A feature of day d sees the days of its window and nothing later, as landed by each of these days plus `lateness_days`. The same
definitions are the table [feature_catalogue](tables.md#feature_catalogue), which keeps for each day those it was made by.

Written by `make docs` from the declaration `churn_assets/products/e_learning.toml`; edit that.
"""


def documented() -> Settings:
    """The defaults, with every table there can be, whatever this machine's environment says: the pages are the same everywhere."""
    return Settings.model_construct(serving=ServingSettings(store=SQLITE))


def features_page(settings: Settings) -> str:
    """Markdown: every feature in the order of the columns."""
    headings = ["feature", "window (days)", "unit", "limits", "null", "made from", "meaning", "version"]
    return (
        FEATURES_INTRODUCTION
        + "\n"
        + _grid(headings, [_feature(feature) for feature in settings.declaration.feature_columns])
    )


def _feature(feature: FeatureColumn) -> list[str]:
    column = feature_column(feature)
    of_column = [column.unit, _limits(column), "yes" if column.nullable else "no"]
    made = [_of(feature.sources), feature.meaning, str(feature.version)]
    return [_code(feature.name), str(feature.window_days), *of_column, *made]


def tables_page(settings: Settings) -> str:
    """Markdown: an overview, a section for each table, and the reasons rows are kept apart for."""
    tables = contracts(settings)
    overview = [[_link(table), _code(c.day), c.grain] for table, c in tables.items()]
    parts = [
        INTRODUCTION,
        _grid(["table", "partition column", "a row is"], overview),
        *(_section(contract, column_lineage(contract, settings)) for contract in tables.values()),
        "## Reasons\n",
        _reasons("quarantined_users and quarantined_events", quarantine_reasons(settings.declaration)),
        _reasons("unmatched_events", UNMATCHED_REASONS),
    ]
    return "\n".join(parts)


def _section(contract: Contract, sources: Sources) -> str:
    key = ", ".join(map(_code, contract.key))
    heading = (
        f"## {contract.table}\n\nA row is {contract.grain}. Key: {key}. Partition column: {_code(contract.day)}.\n\n"
    )
    headings = ["column", "type", "unit", "null", "limits", "meaning", *(["made from"] if sources else [])]
    columns = _grid(headings, [_row(c) + ([_of(sources[c.name])] if sources else []) for c in contract.columns])
    rules = "".join(f"- `{rule.name}`: {rule.sentence}\n" for rule in contract.rules)
    return heading + columns + (f"\nRules, each row:\n\n{rules}" if rules else "")


def _of(sources: Iterable[str]) -> str:
    return ", ".join(map(_code, sources))


def _row(column: Column) -> list[str]:
    name = _code(column.name) + (" °" if column.provenance else "")
    null = "yes" if column.nullable else "no"
    return [name, _code(column.kind.duckdb_type), column.unit, null, _limits(column), column.description]


def _limits(column: Column) -> str:
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return ""
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"{low:g} … {high:g}"


def _reasons(where: str, reasons: Mapping[str, str]) -> str:
    return f"Of {where}:\n\n" + _grid(["reason", "meaning"], [[_code(name), text] for name, text in reasons.items()])


def _grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells lose nothing but get their bars escaped."""
    lines = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


def _link(table: str) -> str:
    return f"[{table}](#{table})"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    asks_features = sys.argv[1:] == ["features"]
    sys.stdout.write((features_page if asks_features else tables_page)(documented()))
