"""Probe: how much does each patch alone tell about the target?"""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Order, PatchRanking, Prior, PriorContext, RankingPrior
from reorder_kit.ops.greedy_ridge import single_patches
from reorder_kit.priors._told import ToldOptions


class Probe(RankingPrior):
    """Ranks patches by how well a ridge regression on each alone predicts the target.

    The regression, the target and the matching with slots are those of ``informed``, but a patch that only repeats what
    another one tells ranks as high as that one.

    Source: linear probes, Alain and Bengio, 2016, https://arxiv.org/abs/1610.01644, here of pixels.
    """

    name = "probe"
    Options = ToldOptions
    options: ToldOptions

    def rank(self, context: PriorContext) -> PatchRanking:
        """By what each tells alone; ties keep row-major order."""
        rows = self.options.rows(context)
        told = single_patches(rows.features, rows.targets, rows.folds, rows.penalty)
        patches = told.argsort(descending=True, stable=True)
        return PatchRanking(Order(patches), {f"tells about the {rows.words}": told[patches].tolist()})


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [Probe]
