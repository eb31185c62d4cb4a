import subprocess
import sys

import torch

from reorder_kit.data.random_streams import seed_torch, stream


def test_a_place_has_one_seed_in_every_process():
    code = "from reorder_kit.data.random_streams import stream; print(stream(7, 'batch', 1, 2))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == stream(7, "batch", 1, 2)


def test_places_have_different_seeds_that_torch_accepts():
    places = [(seed, name, number) for seed in range(10) for name in ("sample", "batch") for number in range(500)]
    seeds = {stream(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_numbers_do_not_run_together():
    assert stream(1, 23) != stream(12, 3)


def test_seeding_is_that_of_torch():
    torch.manual_seed(123)
    expected = torch.rand(3)
    seed_torch(123)
    assert torch.equal(torch.rand(3), expected)
