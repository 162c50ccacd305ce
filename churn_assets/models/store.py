"""Where models are kept: a folder each, under a hash of all that decided them, in formats that run no code when they are read.

The estimator is a skops file. Types of scikit-learn that skops trusts and those that a deployment names are loaded, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from hashlib import sha256
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from churn_assets.errors import ChurnError, first_few
from churn_assets.models.candidates import Fitted
from churn_assets.models.drift import Reference
from churn_assets.models.manifest import MANIFEST, ModelManifest
from churn_assets.models.transformer import Transformer
from churn_assets.versions import versions_in, write_version

ESTIMATOR, TRANSFORMER, REFERENCE = "model.skops", "transformer.json", "reference.json"
LIBRARIES = ("scikit-learn",)
"""What must be of the same minor release when a model is read as when it was written."""
OURS = (
    "churn_assets.models.bg_nbd.BgNbdEstimator",
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
"""What our own candidates consist of, besides the types that skops trusts. The trees' node numbers are not checked by scikit-learn,
so a file must be the one that was written: its hash is.
"""


def libraries_now() -> dict[str, str]:
    """The releases that decide whether a model can be read."""
    return {name: ".".join(installed(name).split(".")[:2]) for name in LIBRARIES}


def write_model(
    root: Path,
    manifest: Callable[[Mapping[str, str]], ModelManifest],
    version: str,
    parts: tuple[Fitted, Reference] | None,
    timeout_seconds: float,
    trusted: Iterable[str] = (),
) -> ModelManifest:
    """The model of `version`: written if it does not exist, never overwritten. `manifest` is given the hash of each file. Without
    `parts` there is nothing but the rule. Raises ChurnError where the folder cannot be written, or could not be read again.
    """

    def write(folder: Path) -> None:
        if parts:
            import skops.io

            fitted, reference = parts
            skops.io.dump(fitted.estimator, folder / ESTIMATOR)
            _refuse_untrusted(folder / ESTIMATOR, trusted)
            _write_json(folder / TRANSFORMER, fitted.transformer.as_json())
            _write_json(folder / REFERENCE, reference.as_json())
        hashes = {path.name: _hash(path) for path in sorted(folder.iterdir())}
        (folder / MANIFEST).write_text(manifest(hashes).text, encoding="utf-8")

    return ModelManifest.read(write_version(root, version, timeout_seconds, write))


def read_model(root: Path, manifest: ModelManifest, trusted: Iterable[str] = ()) -> tuple[Fitted, Reference]:
    """Raises ChurnError where a file is not as it was written, a type is not trusted, or the libraries are of other releases."""
    folder = root / manifest.version
    if other := {name: was for name, was in manifest.libraries.items() if libraries_now().get(name) != was}:
        name, was = next(iter(other.items()))
        raise ChurnError(
            f"{folder} was fitted with {name} {was}, and {libraries_now().get(name)} is installed; install {name} {was}, or remove "
            "the folder and run 'churn-assets backfill', which makes a new model."
        )
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file() or _hash(path) != expected:
            raise ChurnError(
                f"{path} is not as it was written; remove its folder and run 'churn-assets backfill', which makes the model again."
            )
    estimator = _estimator(folder / ESTIMATOR, trusted)
    transformer = Transformer.from_json(json.loads((folder / TRANSFORMER).read_text(encoding="utf-8")))
    reference = Reference.from_json(json.loads((folder / REFERENCE).read_text(encoding="utf-8")))
    return Fitted(estimator, transformer), reference


def models_in(root: Path) -> list[ModelManifest]:
    """Every model, in the order in which they serve: by the days that each knew, and of the same days in the order of writing.
    Raises ChurnError where a folder has no manifest.
    """
    models = [ModelManifest.read(folder) for folder in versions_in(root)]

    def order(model: ModelManifest) -> tuple[date, int]:
        return model.known_until, (root / model.version / MANIFEST).stat().st_mtime_ns

    return sorted(models, key=order)


def _estimator(path: Path, trusted: Iterable[str]) -> Any:
    import skops.io

    return skops.io.load(path, trusted=_refuse_untrusted(path, trusted))


def _refuse_untrusted(path: Path, trusted: Iterable[str]) -> list[str]:
    """The types that are trusted. Raises ChurnError for a file that holds another."""
    import skops.io

    allowed = {*OURS, *trusted}
    if unknown := [name for name in skops.io.get_untrusted_types(file=path) if name not in allowed]:
        raise ChurnError(
            f"The model's estimator holds types that are not trusted: {first_few(unknown, 3)}; if they are your own, or you trust them, "
            "name them in model.trusted of churn.toml."
        )
    return sorted(allowed)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
