"""Random numbers without saved state: every draw is seeded with its place in the run."""

from __future__ import annotations

import hashlib

import torch


def stream(*where: int | str) -> int:
    """A seed below 2^63 for a place in a run, such as (seed, process, step).

    The same place gives the same seed in every process and after every restart; different places give unrelated ones.
    """
    digest = hashlib.blake2b("/".join(map(str, where)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_torch(seed: int) -> None:
    """Seed torch's global generators.

    Like ``torch.manual_seed``, which without a GPU formats a stack trace in every call: too slow for every sample of an
    epoch.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
