"""Computations of the tests of capabilities with numpy, from the bundled digits alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def digits(split: str) -> tuple[Floats, Ints]:
    """Images of 8x8 pixels and their classes, split and standardized as the data source documents."""
    bundled = load_digits()
    shuffled = np.random.RandomState(0).permutation(len(bundled.target))
    rest, test = shuffled[:-497], shuffled[-497:]
    chosen = {"train": rest[:-100], "validation": rest[-100:], "test": test}[split]
    train = bundled.images[rest[:-100]]
    return (bundled.images[chosen] - train.mean()) / train.std(ddof=1), bundled.target[chosen]


def patches_2x2(images: Floats) -> Floats:
    """The four pixels of each of 16 row-major patches."""
    return images.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4)


def ranks(orders: Ints) -> Ints:
    """The slot of each patch, from the patch in each slot."""
    return np.argsort(orders, axis=-1)


def kendall_distance(first: Ints, second: Ints) -> float:
    """The share of pairs of patches that two orders put in opposite order."""
    a, b = ranks(first), ranks(second)
    pairs = list(itertools.combinations(range(len(a)), 2))
    return sum((a[i] < a[j]) != (b[i] < b[j]) for i, j in pairs) / len(pairs)


def as_input(images: Floats) -> torch.Tensor:
    """Images in the form that a model reads."""
    return torch.tensor(images, dtype=torch.float32).unsqueeze(1)


def placed(tokens: torch.Tensor, orders: Sequence[Sequence[int]] | Ints) -> torch.Tensor:
    """The tokens of each image in the order given for it."""
    return torch.stack([each[torch.tensor(order)] for each, order in zip(tokens, orders, strict=True)])


def loss_and_top1(outputs: torch.Tensor, labels: Ints) -> tuple[float, float]:
    """Mean cross-entropy, and the share of images whose largest output is right."""
    exact = outputs.detach().double().numpy()
    top = exact.max(axis=1)
    log_sums = top + np.log(np.exp(exact - top[:, None]).sum(axis=1))
    right = exact[np.arange(len(labels)), labels]
    return float((log_sums - right).mean()), float((exact.argmax(axis=1) == labels).mean())


def influence(loss: torch.Tensor, tokens: torch.Tensor) -> list[float]:
    """Each slot's share of the mean norm of the gradient."""
    (gradient,) = torch.autograd.grad(loss, tokens)
    norms = np.linalg.norm(gradient.double().numpy(), axis=2).mean(axis=0)
    return list(norms / norms.sum())
