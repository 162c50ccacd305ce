"""Which part of a table somebody reads, and the name under which the digest of that part is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from churn_assets.calendar import Window
from churn_assets.contracts import Contract
from churn_assets.product.entries import Scalar


@dataclass(frozen=True)
class Selection:
    """The part of a table a step needs: some columns (None: all), and only rows whose flag column `only` is true, or that
    have one of some values in a column, `among`.

    Under another name than its table's it is read besides: `of` names the table. `window` is the part of the step's
    window that is enough for it (None: all of it).
    """

    columns: tuple[str, ...] | None = None
    only: str | None = None
    of: str | None = None
    window: Window | None = None
    among: tuple[str, tuple[Scalar, ...]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every row and column is read: the content hash is then the digest of it."""
        return self.columns is None and self.only is None and self.among is None

    def needed(self, contract: Contract) -> tuple[str, ...]:
        """The columns without which nothing can be selected, those of its conditions and the day among them."""
        chosen = contract.column_names if self.columns is None else self.columns
        conditions = [name for name in (self.only, self.among and self.among[0], contract.day) if name]
        return tuple(dict.fromkeys([*chosen, *conditions]))

    def hashed(self, contract: Contract) -> tuple[str, ...]:
        """The columns its digest is made over, in the contract's order. Provenance is left out, as of the content hash."""
        chosen = {*contract.column_names} if self.columns is None else {*self.columns}
        return tuple(c.name for c in contract.columns if c.name in chosen and not c.provenance)

    def view(self, contract: Contract) -> str:
        """Twelve hexadecimal digits that name what is selected: other columns, types or conditions have another name."""
        columns = [(c.name, c.kind.name, c.nullable) for c in map(contract.column, self.hashed(contract))]
        return blake2b(repr((columns, self.only, self.among)).encode(), digest_size=6).hexdigest()


def views(contract: Contract, selections: Sequence[Selection]) -> dict[str, Selection]:
    """The parts of a table whose digests are kept, by name. What is whole needs none."""
    return {selection.view(contract): selection for selection in selections if not selection.is_whole}
