"""Training: forests and networks."""

from space2vec.training.forest import cross_validate, train_forest

__all__ = ["cross_validate", "train_forest"]
