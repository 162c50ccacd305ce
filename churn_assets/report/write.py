"""Writing a report into a folder: report.html, and each of its pictures as a PNG file beside it."""

from __future__ import annotations

from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.errors import ChurnError
from churn_assets.figures import growth_pictures, retention_pictures
from churn_assets.report.contents import gather
from churn_assets.report.page import page

PAGE = "report.html"


def write_report(deployment: Deployment, folder: Path) -> list[Path]:
    """Write it, replacing an earlier one. Gives the files, the page first. Raises ChurnError where nothing is published,
    or the folder cannot be written.
    """
    contents = gather(deployment)
    pictures = {**growth_pictures(contents.growth), **retention_pictures(contents.cohorts)}
    files = {PAGE: page(contents, pictures).encode()}
    files |= {f"{name}.png": picture.png for name, picture in pictures.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ChurnError(f"{folder} cannot be written to: {error.strerror}; name another folder with --out.") from error
    return [folder / name for name in files]
