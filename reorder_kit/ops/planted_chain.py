"""The planted chain: images of random signs, a class that depends on a hidden order, and the value of an order.

An image has n patches x, each +1 or -1 with equal probability. In the hidden order h, neighbors form n - 1 products
z[k] = x[h[k]] x[h[k + 1]], which are also independent fair signs, and the class is the sign of their sum: the majority
of z. With an even n their number is odd, so there are no ties.

A model that puts the patches in an order and adds up functions of neighboring slots sees only the products of patches
that are adjacent there. If two such patches are neighbors in the hidden order, their product is one of the z and counts
as *restored*. Any other product is that of a run of the z, and says almost nothing about their majority: the
correlation is zero for a run of even length, and (-1)^((k-1)/2) c C(m, (k-1)/2) / C(2m, k-1) for a run of odd length k,
where 2m = n - 2 and c = C(2m, m) / 4^m is that of a single z (R. O'Donnell, Analysis of Boolean Functions, 2014,
section 5.3, https://arxiv.org/abs/2105.10386; his n is our n - 1). For 16 patches c is 0.21 and a run of three has
-0.016; the longest run has as much as a single product, though, which happens if the ends of the chain are adjacent. So
chance is exact only for a model that knows just the restored products; see :func:`additive_accuracy` for the effect of
the others.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from jaxtyping import Bool, Int8
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order import Order


def chain_class(signs: Int8[Tensor, "image patch"], hidden: Order) -> Bool[Tensor, " image"]:
    """Whether most products of neighbors in the hidden order are positive.

    Args:
        signs: the patches of each image, row-major, +1 or -1.
        hidden: the hidden order, of an even number of patches.
    """
    placed = hidden.apply(signs)
    return (placed[:, 1:] * placed[:, :-1]).sum(dim=1) > 0


def restored_neighbours(order: Order, hidden: Order) -> int:
    """The number of neighbors in a hidden order that are adjacent in an order, in either direction.

    It is at most the number of patches minus one, which the hidden order and its reverse reach.

    Args:
        order: one order for all images; it may leave patches out.
        hidden: the hidden order, of all patches.

    Raises:
        ReorderKitError: if one of them differs between images, or they are orders of different patches.

    >>> restored_neighbours(Order([3, 2, 0, 1]), Order([0, 1, 2, 3]))
    2
    """
    if not (order.is_static and hidden.is_static and hidden.is_full and order.num_patches == hidden.num_patches):
        raise ReorderKitError(f"{order!r} and {hidden!r} have no neighbors to compare: give two orders of one grid")
    ranks = hidden.rank[order.indices]
    return int(((ranks[1:] - ranks[:-1]).abs() == 1).sum())


def bayes_accuracy(num_patches: int, restored: int) -> float:
    """The accuracy of the best model that knows only the restored products.

    It follows the majority of what it knows: ``1/2 + E|E[class | restored products]| / 2``, summed exactly. If there is
    no majority, the model tosses a coin, so an even number of products is worth the same as one less.

    Args:
        num_patches: number of patches of an image, even.
        restored: number of products it knows, from 0 to ``num_patches - 1``.

    Raises:
        ReorderKitError: if the number of patches is odd, or the number of products is out of range.

    >>> [round(bayes_accuracy(16, restored), 3) for restored in (0, 1, 8, 12, 15)]
    [0.5, 0.605, 0.75, 0.839, 1.0]
    """
    unknown = _unknown_products(num_patches, restored)
    cases: int = 2**unknown
    right = sum(
        comb(restored, positive) * max(wins, cases - wins)
        for positive, wins in enumerate(_positive_sums(restored, unknown))
    )
    return float(Fraction(right, cases * 2**restored))


def additive_accuracy(num_patches: int, restored: int) -> float:
    """The accuracy of a model that adds up the products of all neighboring slots, if only restored ones inform.

    A model without positions cannot know which of its products are restored: it treats all alike, and the others are
    noise, here the same number of independent fair signs. It is never above :func:`bayes_accuracy`.

    This is not exact for every order. With 16 patches, the best sum of products, evaluated on all images, is within
    0.01 of it in most orders and within 0.055 in all orders tried (also 0.50 to 0.55 if no neighbor is restored), but
    up to 0.09 lower if the ends of the chain are adjacent. A model with positions can weight each slot separately and
    do better: in a chain cut in two and joined by its ends, it can always be right.

    Args:
        num_patches: number of patches of an image, even.
        restored: number of products of neighboring slots that are neighbors in the hidden order, from 0 to
            ``num_patches - 1``.

    Raises:
        ReorderKitError: if the number of patches is odd, or the number of products is out of range.

    >>> [round(additive_accuracy(16, restored), 3) for restored in (0, 1, 8, 12, 15)]
    [0.5, 0.522, 0.683, 0.803, 1.0]
    """
    unknown = _unknown_products(num_patches, restored)
    # Given the restored sum, the class and the model's answer are two independent draws of the same distribution.
    cases: int = 2**unknown
    right = sum(
        comb(restored, positive) * (wins**2 + (cases - wins) ** 2)
        for positive, wins in enumerate(_positive_sums(restored, unknown))
    )
    return float(Fraction(right, cases**2 * 2**restored))


def _unknown_products(num_patches: int, restored: int) -> int:
    if num_patches < 2 or num_patches % 2:
        raise ReorderKitError(f"a planted chain has an even number of patches, not {num_patches}")
    if not 0 <= restored < num_patches:
        raise ReorderKitError(f"{restored} of {num_patches - 1} products cannot be restored")
    return num_patches - 1 - restored


def _positive_sums(restored: int, unknown: int) -> list[int]:
    """For each number of positive products among the restored: the cases of the unknown in which the sum is positive.

    A sum of n - 1 signs is positive if n/2 of them are.
    """
    needed = (restored + unknown + 1) // 2
    return [
        sum(comb(unknown, more) for more in range(max(needed - positive, 0), unknown + 1))
        for positive in range(restored + 1)
    ]
