"""`churn-assets product`: the declaration of a deployment, as it is with every default, and what derives from it in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from churn_assets.product import Product
    from churn_assets.settings import Settings


@click.group()
def product() -> None:
    """The declaration of the product: attributes, properties, event types, measures and features."""


@product.command()
@click.pass_obj
def show(data: Path | None) -> None:
    """Print the whole declaration as TOML, with every default, and where each entry comes from."""
    from churn_assets.product.show import as_toml
    from churn_assets.settings import Settings

    click.echo(as_toml(Settings.load(data).declaration), nl=False)


@product.command()
@click.pass_obj
def check(data: Path | None) -> None:
    """Say in one line that the declaration is right, or what cannot be right about it."""
    from churn_assets.settings import Settings

    click.echo(summary(Settings.load(data).declaration))


@product.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write (default: print).")
@click.pass_obj
def docs(data: Path | None, out: Path | None) -> None:
    """Write Markdown of the product's own tables and features."""
    from churn_assets.settings import Settings

    page = product_docs(Settings.load(data))
    if out is None:
        click.echo(page, nl=False)
    else:
        out.write_text(page, encoding="utf-8")
        click.echo(f"Wrote {out}.")


_WRITTEN_BY = re.compile(r"Written by `make docs`[^;]*; edit\s\w+\.")


def product_docs(settings: Settings) -> str:
    """The pages of tables and of features of a deployment, as one text."""
    from churn_assets.contracts.__main__ import features_page, tables_page

    page = f"{tables_page(settings)}\n{features_page(settings)}"
    return _WRITTEN_BY.sub(f"Written by `churn-assets product docs` from product '{settings.declaration.name}'.", page)


def summary(declared: Product) -> str:
    """What a product has, counted."""
    counted = (
        (len(declared.attributes), "attribute", "attributes"),
        (len(declared.properties), "property", "properties"),
        (len(declared.event_types), "event type", "event types"),
        (len(declared.measures), "measure", "measures"),
        (len(declared.features), "feature", "features"),
        (len(declared.feature_columns), "column of user_features", "columns of user_features"),
    )
    counts = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counted)
    return f"Product '{declared.name}' is right: {counts}."
