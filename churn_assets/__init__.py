"""churn_assets: raw users and events of a subscription product, turned into trustworthy user-day tables.

`load_training_set` and `features_as_of` are for notebooks and models; they are imported when first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churn_assets.training import TrainingSet, features_as_of, load_training_set

__version__ = "0.1.0"
__all__ = ["TrainingSet", "features_as_of", "load_training_set"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from churn_assets import training

    return getattr(training, name)
