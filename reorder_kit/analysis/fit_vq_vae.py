"""Training a VQ-VAE on the patches of training images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.vq_vae import VqConfig, VqVae

STEPS = 500
PATCHES_A_STEP = 1024
PEAK_LR = 5e-3
COMMITMENT = 0.25
"""Weight of the term that pulls encoder outputs to their codes; beta of van den Oord et al., 2017."""

Patches = Iterable[Float[Tensor, "image patch pixel"]]


@dataclass(frozen=True)
class VqFigures:
    """The quality of a VQ-VAE on images that it was not trained on.

    Args:
        images: number of images.
        codes: number of codes in the codebook.
        used: number of codes that occur.
        perplexity: two to the entropy of the code frequencies; this many equally frequent codes are as uncertain.
        error: mean squared error of a pixel.
        baseline: mean squared error of the mean training image.
    """

    images: int
    codes: int
    used: int
    perplexity: float
    error: float
    baseline: float

    @property
    def use(self) -> float:
        """The share of codes that occur."""
        return self.used / self.codes

    @property
    def left(self) -> float:
        """The error relative to the baseline."""
        return self.error / self.baseline

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"on {self.images} held-out images it uses {self.used} of {self.codes} codes (perplexity "
            f"{self.perplexity:.1f}), and its squared error is {self.left:.3f} of that of the mean image"
        )


def fit_vq_vae(config: VqConfig, batches: Patches, seed: int, steps: int = STEPS) -> VqVae:
    """Train on the CPU for a number of steps, each on patches drawn from a batch of images.

    At most one batch of images is kept. The step size rises over the first twentieth of the steps, then falls to zero.

    Args:
        config: configuration of the VQ-VAE.
        batches: patches of training images, which can be iterated over several times.
        seed: seed of weights, codes and drawn patches.
        steps: number of optimizer steps.

    Raises:
        ReorderKitError: if no image could be read.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = VqVae(config)
    _standardise(model, batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, betas=(0.9, 0.99), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=steps + 1, pct_start=0.05)
    for step, patches in zip(range(steps), _drawn(config, batches, generator), strict=False):
        if step == 0:
            model.codebook.start(model.encode(patches).detach(), generator)
        coded = model(patches)
        # In units of the standard deviation, so that the weights of both terms mean the same for all data.
        error = F.mse_loss(coded.patches / model.std, patches / model.std)
        nearest = F.embedding(coded.numbers, model.codebook.codes)
        loss = error + COMMITMENT * F.mse_loss(coded.vectors, nearest)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        model.codebook.follow(coded.vectors.detach(), coded.numbers, generator)
    return model.eval()


@torch.no_grad()
def vq_figures(model: VqVae, batches: Patches, held_out: Patches) -> VqFigures:
    """Measure a model on images that it was not trained on.

    Args:
        model: the trained model.
        batches: patches of training images, whose mean is the baseline.
        held_out: patches of other images, in the same grid.

    Raises:
        ReorderKitError: if no training image or no held-out image could be read.
    """
    total, count = torch.zeros(()), 0
    for patches in batches:
        total, count = total + patches.sum(dim=0, dtype=torch.float64), count + len(patches)
    _require(count)
    mean_image = (total / count).float()
    error, baseline, pixels, images = 0.0, 0.0, 0, 0
    met = torch.zeros(model.config.codes, dtype=torch.int64)
    for patches in held_out:
        tiles = _tiles(model.config, patches)
        coded = model(tiles)
        met += coded.numbers.bincount(minlength=model.config.codes)
        error += float((coded.patches - tiles).square().sum())
        baseline += float((patches - mean_image).square().sum())
        pixels, images = pixels + patches.numel(), images + len(patches)
    _require(images)
    share = met[met > 0].double() / met.sum()
    return VqFigures(
        images=images,
        codes=model.config.codes,
        used=int((met > 0).sum()),
        perplexity=float(2 ** -(share * share.log2()).sum()),
        error=error / pixels,
        baseline=baseline / pixels,
    )


def _standardise(model: VqVae, batches: Patches) -> None:
    """Store the mean and standard deviation of each channel."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for patches in batches:
        pixels = _tiles(model.config, patches).transpose(0, 1).flatten(1).double()
        count, total = count + pixels.shape[1], total + pixels.sum(dim=1)
        squares = squares + pixels.square().sum(dim=1)
    _require(count)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    model.mean.copy_(mean[:, None, None])
    model.std.copy_(torch.where(std > 0, std, 1)[:, None, None])


def _drawn(config: VqConfig, batches: Patches, generator: torch.Generator) -> Iterator[Tensor]:
    """Patches for each step, without end."""
    while True:
        for patches in batches:
            tiles = _tiles(config, patches)
            yield tiles[torch.randperm(len(tiles), generator=generator)[:PATCHES_A_STEP]]


def _tiles(config: VqConfig, patches: Tensor) -> Float[Tensor, "patch channel height width"]:
    return patches.reshape(-1, config.channels, config.height, config.width)


def _require(images: int) -> None:
    if not images:
        raise ReorderKitError("a VQ-VAE cannot be trained: no image could be read")
