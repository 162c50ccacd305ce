"""Looks at files nobody has described yet and writes a churn.toml that lands them. Pure but for reading those files.

Values of rows are counted and never shown: what is written names columns and event types only.
"""

from churn_assets.inspection.guess import Chosen, Guess, guess
from churn_assets.inspection.sample import Looked, look
from churn_assets.inspection.toml_text import REASONS, churn_toml

__all__ = ["REASONS", "Chosen", "Guess", "Looked", "churn_toml", "guess", "look"]
