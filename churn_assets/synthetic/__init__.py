"""A made-up product: users with a hidden engagement, what they do each day, how they leave; landed as a source would.

For `generate`, `demo`, tests and measurements. Nothing else in the package may depend on it.
"""

from churn_assets.synthetic.faults import Planted, write_manifest
from churn_assets.synthetic.files import FileFormat
from churn_assets.synthetic.generate import GeneratedWorld, generate

__all__ = ["FileFormat", "GeneratedWorld", "Planted", "generate", "write_manifest"]
