"""Everything that belongs to the samples of a batch stays with them, including their random numbers."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
import torch
from scipy.stats import chi2, kstest

from reorder_kit.interfaces import CAPTION, CLASS, NONE, Batch, Unreadable
from reorder_kit.interfaces.counter_random import uniform


def batch(size=5, **parts):
    numbers = torch.arange(size)
    images = numbers.float().view(size, 1, 1, 1).expand(size, 1, 2, 3)
    return Batch(images, numbers + 10, CLASS, seeds=numbers + 100, **parts)


def test_taking_images_takes_all_that_belongs_to_them():
    whole = batch(
        unreadable=(Unreadable("torn.png", "torn"),),
        content=torch.arange(10).view(5, 2),
        views=(batch(), Batch(torch.zeros(5, 1, 2, 3), list("abcde"), CAPTION, seeds=torch.arange(5) + 200)),
        prepared={"mask": torch.arange(5).view(5, 1) > 2},
    )
    part = whole.take(torch.tensor([4, 1]))
    assert part.images[:, 0, 0, 0].tolist() == [4, 1]
    assert part.targets.tolist() == [14, 11]
    assert (part.kind, part.unreadable) == (CLASS, ())
    assert part.content.tolist() == [[8, 9], [2, 3]]
    assert part.seeds.tolist() == [104, 101]
    assert part.views[0].targets.tolist() == [14, 11]
    assert (part.views[1].targets, part.views[1].seeds.tolist()) == (["e", "b"], [204, 201])
    assert part.prepared["mask"].tolist() == [[True], [False]]


def test_a_batch_made_by_hand_has_seeds_and_no_kind():
    made = Batch(torch.zeros(3, 1, 2, 2), None)
    assert (made.seeds.tolist(), made.kind, made.views, made.prepared) == ([0, 1, 2], NONE, (), {})


@pytest.mark.parametrize(
    "parts", [{"views": (batch(4),)}, {"prepared": {"mask": torch.zeros(2, 3)}}], ids=lambda parts: next(iter(parts))
)
def test_parts_of_other_lengths_are_refused(parts):
    with pytest.raises(ValueError, match=rf"a batch of 5 images has \d rows in {next(iter(parts))}\["):
        batch(**parts)
    with pytest.raises(ValueError, match="a batch of 2 images has 3 rows in seeds"):
        Batch(torch.zeros(2, 1, 1, 1), None, seeds=torch.arange(3))


def test_everything_but_seeds_moves_to_a_device():
    moved = batch(content=torch.zeros(5, 2), views=(batch(),), prepared={"mask": torch.zeros(5)}).to("meta")
    parts = (moved.images, moved.targets, moved.content, moved.views[0].images, moved.prepared["mask"])
    assert {part.device.type for part in parts} == {"meta"}
    assert moved.seeds.device.type == moved.views[0].seeds.device.type == "cpu"


# Random numbers


def test_numbers_belong_to_the_sample_and_not_to_its_batch():
    whole = batch()
    numbers = whole.random("mask", 7)
    assert numbers.shape == (5, 7)
    assert torch.equal(whole.take(torch.tensor([3, 0, 3])).random("mask", 7), numbers[[3, 0, 3]])
    assert torch.equal(whole.random("mask", 7), numbers)
    assert not torch.equal(whole.random("other mask", 7), numbers)
    assert torch.equal(whole.random("mask", 3, 2).flatten(1), numbers[:, :6])
    assert whole.random("mask").shape == (5,)
    assert whole.random("mask", 0).shape == (5, 0)
    assert len(numbers.unique()) == numbers.numel()


def splitmix64(state, count):
    """The published algorithm, with Python integers."""
    bits = (1 << 64) - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & bits
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & bits
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & bits
        yield mixed ^ (mixed >> 31)


def test_numbers_are_those_of_splitmix64():
    assert next(splitmix64(1234567, 1)) == 6457827717110365317  # as published with the algorithm
    seeds = [0, 1, 2**31, 2**63 - 1]
    name = int.from_bytes(hashlib.blake2b(b"mask", digest_size=8).digest(), "big")
    for seed, found in zip(seeds, uniform(torch.tensor(seeds), "mask", (50,), "cpu").tolist(), strict=True):
        # The state of a sample: the output function of seed and name, without a step before it.
        key = next(splitmix64(((seed ^ name) - 0x9E3779B97F4A7C15) % 2**64, 1))
        assert found == [(number >> 40) / 2**24 for number in splitmix64(key, 50)]


@pytest.mark.parametrize("stride", [1, 2**32, 6364136223846793005], ids=["neighbors", "high bits", "far apart"])
def test_numbers_are_uniform_whatever_the_seeds(stride):
    seeds = torch.tensor([(number * stride) % 2**63 for number in range(2000)])
    numbers = uniform(seeds, "mask", (100,), "cpu").numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert kstest(numbers.ravel(), "uniform").pvalue > 1e-4
    # Equally uniform across samples at one position and along one sample.
    assert kstest(numbers[:, 0], "uniform").pvalue > 1e-4
    assert kstest(numbers[0], "uniform").pvalue > 1e-4
    # Positions are independent of their neighbors: pairs fill the unit square evenly.
    counts = np.histogram2d(numbers[:, :-1].ravel(), numbers[:, 1:].ravel(), bins=16, range=[[0, 1]] * 2)[0]
    expected = counts.sum() / counts.size
    assert chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1) > 1e-4
    below = np.histogram2d(numbers[:-1].ravel(), numbers[1:].ravel(), bins=16, range=[[0, 1]] * 2)[0]
    expected = below.sum() / below.size
    assert chi2.sf(((below - expected) ** 2 / expected).sum(), below.size - 1) > 1e-4


def test_names_are_unrelated():
    seeds = torch.arange(500)
    columns = [uniform(seeds, name, (100,), "cpu").flatten() for name in ("a", "b", "task/a", "mask", "mask2")]
    correlation = torch.corrcoef(torch.stack(columns)).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / 50_000**0.5


def test_numbers_for_a_batch_take_milliseconds():
    many = Batch(torch.zeros(256, 1, 1, 1), None)
    took = []
    for _ in range(10):
        began = time.perf_counter()
        many.random("mask", 196)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_numbers_are_the_same_on_a_gpu():
    here = batch()
    there = here.to("cuda")
    assert there.random("mask", 1000).device.type == "cuda"
    assert torch.equal(there.random("mask", 1000).cpu(), here.random("mask", 1000))
    assert there.take(torch.tensor([2, 1])).seeds.tolist() == [102, 101]
    assert there.take(torch.tensor([2, 1], device="cuda")).targets.tolist() == [12, 11]
