"""ShuffleSoftSort: SoftSort along a shuffled line, on which distant slots are neighbors."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.ops.softsort import softsort


def shuffle_softsort(
    scores: Float[Tensor, "*batch place"], line: Int[Tensor, " place"], temperature: float
) -> Float[Tensor, "*batch slot slot"]:
    """The matrix by which sorting along a shuffled line softly moves the contents of slots.

    Slots are laid out on a line: place k of it is slot ``line[k]``. Their contents are sorted along the line by
    SoftSort, and go back to the slots. With P the matrix of SoftSort of the scores,
    ``result[line[k], line[l]] = P[k, l]`` is the share, in slot ``line[k]``, of the content of slot ``line[l]``. Scores
    that fall along the line move nothing as the temperature goes to 0; as the scores change, neighbors on the line swap
    first, wherever their slots are.

    Source: Barthel, Barthel and Eisert, "Permutation Learning with Only N Parameters: From SoftSort to Self-Organizing
    Gaussians", EUSIPCO 2025 (https://arxiv.org/abs/2503.13051); their w is our ``scores`` (which they sort in ascending
    order), their shuffled indices our ``line``, their tau our ``temperature``.

    Args:
        scores: one for each place; the highest goes to the first place. Computed in float32, or in float64 if they are.
        line: a permutation of the slots, the same for the whole batch.
        temperature: above 0, in units of the scores; ties and limits are those of :func:`softsort`.
    """
    place_of_slot = line.argsort()
    return softsort(scores, temperature).index_select(-2, place_of_slot).index_select(-1, place_of_slot)
