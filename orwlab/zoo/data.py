"""Real data sets that ship inside scikit-learn, so that nothing is downloaded."""

import torch
from torch import Tensor

from orwlab import checks


def digits(split: str = "all") -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 handwritten digits: images (n, 1, 8, 8) in [-1, 1] and labels (n,) 0 .. 9.

    Args:
        split: "train" (80 %), "test" (the rest, always the same) or "all".
    """
    from sklearn.datasets import load_digits  # imported here because it takes a second

    checks.choice("split", split, ("train", "test", "all"))
    raw = load_digits()
    images = torch.from_numpy(raw.images).float()[:, None] / 8 - 1  # pixels are 0 .. 16
    labels = torch.from_numpy(raw.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    cut = round(0.8 * len(images))
    rows = {"train": order[:cut], "test": order[cut:], "all": torch.arange(len(images))}[split]
    return images[rows], labels[rows]
