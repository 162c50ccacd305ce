"""Loading one version of the training set, as it was written and only if it still is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.contracts import Contract, Kind
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.training.manifest import MANIFEST, PARTS, Manifest, content_hash, contract_of
from churn_assets.versions import versions_in
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import to_frame


class TrainingSet(NamedTuple):
    """One row per at-risk user and sampled day in each; the last column is the label."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def load_training_set(version: str | None = None, data: Path | str | None = None) -> TrainingSet:
    """The three parts of `version`, in order of day and user; None: the newest, which is the one whose test part ends last
    and, of several, the one written last. `data` is the deployment's folder (default: $CHURN_DATA_DIR, else `data`).

    A text column is a categorical with the same categories in all three parts; `frame.attrs["version"]` says which version it is.
    Raises ChurnError where there is none, or a file does not hold what its manifest says.
    """
    root = Settings.load(data).training_sets_dir
    versions = _versions(root)
    if not versions:
        raise ChurnError(
            f"{root} holds no training set yet; run 'churn-assets backfill', which says how many days it needs."
        )
    if version is not None and version not in versions:
        raise ChurnError(f"{root} holds no version '{version}'; it has {', '.join(sorted(versions))}.")
    manifest = versions[version] if version else max(versions.values(), key=lambda manifest: _age(root, manifest))
    contract = contract_of(manifest)
    train, validation, test = (_read(root, manifest, contract, part) for part in PARTS)
    return _of_one_mind(contract, TrainingSet(train, validation, test))


def _versions(root: Path) -> dict[str, Manifest]:
    return {folder.name: Manifest.read(folder) for folder in versions_in(root)}


def _age(root: Path, manifest: Manifest) -> tuple[str, int]:
    return manifest.parts["test"].last_as_of_date, (root / manifest.version / MANIFEST).stat().st_mtime_ns


def _read(root: Path, manifest: Manifest, contract: Contract, part: str) -> pd.DataFrame:
    path = root / manifest.version / f"{part}.parquet"
    try:
        table = pq.read_table(path)
        frame = to_frame(contract.columns, table)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ChurnError(f"{path} cannot be read; remove its folder and run 'churn-assets backfill'.") from error
    hashes = PartitionHashes(contract)
    hashes.add(frame)
    days = [day.date() for day in frame[contract.day].unique()]
    if content_hash(hashes, days) != manifest.parts[part].content_hash:
        raise ChurnError(f"{path} is not as it was written; remove its folder and run 'churn-assets backfill'.")
    frame.attrs["version"] = manifest.version
    return frame


def _of_one_mind(contract: Contract, parts: TrainingSet) -> TrainingSet:
    """The same categories in all parts: a model's codes must mean the same in each."""
    for column in contract.columns:
        if column.kind is Kind.LABEL:
            known = sorted({name for part in parts for name in part[column.name].cat.categories})
            for part in parts:
                part[column.name] = part[column.name].cat.set_categories(known)
    return parts
