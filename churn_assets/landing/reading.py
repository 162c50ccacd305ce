"""Read one landed file, whatever its format, into the raw table. The only entry point of the readers.

Strict on purpose: a file that cannot be read for certain is refused whole, in a sentence that shows no value of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from churn_assets.landing.binding import Binder, Drift
from churn_assets.landing.csv_file import read_csv
from churn_assets.landing.delivery import take_delivery
from churn_assets.landing.encoding import utf8_bytes
from churn_assets.landing.erased import Erased
from churn_assets.landing.jsonl_file import read_jsonl
from churn_assets.landing.made_ids import require_id_parts, with_made_ids
from churn_assets.landing.parquet_file import read_parquet
from churn_assets.landing.rows import raw_table
from churn_assets.product import Product
from churn_assets.settings import SourceName, SourceSettings


@dataclass(frozen=True)
class LandedFile:
    """One file, read. `repairs` counts `byte_order_mark` and `header_name`; `digest` is of the bytes as delivered.
    `rows_erased` are left out of the table: records of users who were erased before.
    """

    table: pa.Table
    drift: Drift
    repairs: dict[str, int]
    digest: str
    rows_erased: int = 0


def read_file(
    path: Path,
    *,
    source: SourceName,
    settings: SourceSettings,
    product: Product,
    landing_dir: Path,
    erased: Erased | None = None,
) -> LandedFile:
    """Every record of the file at `path`, as text, in file order; those of erased users are counted only.

    Gives one row per record: the source's contract columns and `extra` as text, `source_file` (relative to
    `landing_dir`), `source_row` (from 1, header and blank lines not counted) and `read_error` (null or
    `malformed_row`). Raises RefusedFile, one sentence naming file, cause and remedy.
    """
    delivery = take_delivery(path, settings=settings, landing_dir=landing_dir)
    binder = Binder(source, settings, product, delivery.refused)
    marks = 0
    if delivery.format == "parquet":
        rows = read_parquet(delivery, binder)
    else:
        text, marks = utf8_bytes(delivery, settings.encoding)
        rows = (read_csv if delivery.format == "csv" else read_jsonl)(delivery, text, binder)
    if delivery.format != "jsonl":  # a key that no line of a day has may be rare; `land` judges the whole dump
        require_id_parts(rows, binder)
    repairs = {"byte_order_mark": marks, "header_name": rows.header_repairs}
    table = raw_table(with_made_ids(rows, binder), product.source_columns(source), delivery.source_file)
    gone = erased.among(rows, binder, delivery.format) if erased else np.zeros(len(table), dtype=bool)
    return LandedFile(
        table=table.filter(pa.array(~gone)) if gone.any() else table,
        drift=rows.binding.drift,
        repairs={kind: count for kind, count in repairs.items() if count},
        digest=delivery.digest,
        rows_erased=int(gone.sum()),
    )
