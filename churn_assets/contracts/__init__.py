"""Contracts: what each table holds. Nothing here computes or stores."""

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.tables import contracts

__all__ = ["Column", "Contract", "Kind", "Rule", "contracts"]
