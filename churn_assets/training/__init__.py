"""Training sets as versioned folders of files, and features as of given instants. What rows mean is decided in transforms.

Knows no Dagster: the asset that makes a version is in `assets`.
"""

from churn_assets.training.as_of import features_as_of
from churn_assets.training.load import TrainingSet, load_training_set
from churn_assets.training.manifest import Manifest, PartSummary
from churn_assets.training.write import TrainingInputs, find_inputs, write_training_set

__all__ = [
    "Manifest",
    "PartSummary",
    "TrainingInputs",
    "TrainingSet",
    "features_as_of",
    "find_inputs",
    "load_training_set",
    "write_training_set",
]
