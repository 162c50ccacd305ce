"""Writing a report into a folder: report.html, and each of its pictures as a PNG file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.errors import ChurnError
from churn_assets.figures import Picture, growth_pictures, retention_pictures
from churn_assets.report.contents import Contents, gather
from churn_assets.report.page import page

PAGE = "report.html"


def write_report(deployment: Deployment, folder: Path, contents: Contents | None = None) -> list[Path]:
    """Write it, replacing an earlier one; `contents`: what it says, where that was gathered already. Gives the files, the page
    first. Raises ChurnError where nothing is published, or the folder cannot be written.
    """
    contents = contents or gather(deployment)
    pictures = pictures_of(contents)
    files = {PAGE: page(contents, pictures).encode()}
    files |= {f"{name}.png": picture.png for name, picture in pictures.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ChurnError(f"{folder} cannot be written to: {error.strerror}; name another folder with --out.") from error
    return [folder / name for name in files]


def pictures_of(contents: Contents) -> Mapping[str, Picture]:
    """Of growth and retention, by name; none of what has no rows."""
    return {**growth_pictures(contents.growth), **retention_pictures(contents.cohorts)}
