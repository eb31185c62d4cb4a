"""Orderings ranked by the prior of a recipe, on its own training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast, get_args

from reorder_kit.analysis.fitted_vq import FittedVq, VqRequest, fit_vq
from reorder_kit.analysis.prior_ranking import Ranking, rank_orderings
from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.find_order import find_order
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Part, RankingPrior, ScoringPrior, Tokenizer
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.overrides import override

DEFAULT_PRIOR = "lzma"


@dataclass(frozen=True)
class ScoredStart:
    """A recipe whose start is chosen by a prior that scores orderings.

    Args:
        content: the recipe as plain data.
        experiment: its parts.
        start: its start.
        source: the recipe's name in messages.
    """

    content: Mapping[str, Any]
    experiment: Experiment
    start: StartByPrior
    source: str

    @classmethod
    def compose(cls, content: Mapping[str, Any], host: PluginHost, source: str) -> Self:
        """Compose a recipe that names a prior.

        Raises:
            ReorderKitError: if the prior does not score orderings, or the recipe has mistakes, all of which are listed.
        """
        experiment = compose(content, host, source)
        if not isinstance(experiment.start, StartByPrior):
            raise TypeError("a recipe that names a prior starts with it")
        if not issubclass(experiment.start.prior.component, ScoringPrior):
            name = experiment.start.name
            reason = f"{name} does not score orderings: it gives its own order, so nothing can be ranked"
            raise ReorderKitError(reason, "to see its order, look into orders/ of a run that starts from it")
        return cls(content, experiment, experiment.start, source)

    @property
    def tokenizer_option(self) -> str | None:
        """The option of the prior that names its tokenizer; None if it looks at pixels."""
        fields = self.start.prior.component.Options.model_fields.items()
        return next(
            (name for name, field in fields if Part[Tokenizer] in (field.annotation, *get_args(field.annotation))), None
        )

    @property
    def tokens(self) -> str | None:
        """The name of the prior's tokenizer; None if it looks at pixels."""
        option = self.tokenizer_option
        return None if option is None else str(self.start.prior.as_dict()[option]["name"])

    def require_tokens(self) -> str:
        """The option of the prior that names its tokenizer.

        Raises:
            ReorderKitError: if it looks at pixels.
        """
        if self.tokenizer_option is None:
            raise ReorderKitError(f"{self.start.name} looks at pixels, not at tokens, so it cannot use a VQ-VAE")
        return self.tokenizer_option

    def with_vq(self, file: Path, host: PluginHost) -> Self:
        """The same recipe with a prior that looks at the codes of a VQ-VAE.

        Raises:
            ReorderKitError: if the prior looks at pixels, or there is no such file.
        """
        tokenizer = {"name": "vq-vae", "file": str(file)}
        content = override(self.content, [(f"order.start.prior.{self.require_tokens()}", tokenizer)])
        return self.compose(content, host, self.source)


@dataclass(frozen=True)
class RankedRecipe:
    """The result of ranking.

    Args:
        scored: the recipe, with the prior that scored.
        measure: what a score means.
        grid: the grid of the patches.
        ranking: the ranking of the orderings.
        unreadable: number of images that could not be read.
        fitted: the VQ-VAE that was trained for it.
    """

    scored: ScoredStart
    measure: str
    grid: Grid
    ranking: Ranking
    unreadable: int
    fitted: FittedVq | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.scored.experiment.recipe.name,
            "prior": self.scored.start.prior.as_dict(),
            "measure": self.measure,
            "grid": [self.grid.height, self.grid.width],
            "images": self.ranking.images,
            "best": self.ranking.best.name,
            "verdict": self.ranking.verdict(),
            "orderings": [ordering.as_dict() for ordering in self.ranking.orderings],
            **({} if self.fitted is None else {"vq": self.fitted.as_dict()}),
        }


@names_plugins
def rank_recipe(
    scored: ScoredStart,
    names: Sequence[str],
    images: int,
    vq: VqRequest | None,
    host: PluginHost,
    announce: Callable[[str], None],
) -> RankedRecipe:
    """Rank orderings with the prior of a recipe; no model is trained.

    Args:
        scored: the recipe.
        names: orderings by name, order files, run folders; ``all`` stands for every ordering.
        images: number of training images to look at, chosen at random with the recipe's seed.
        vq: a VQ-VAE to train first, whose codes the prior then looks at.
        host: the installed plugins.
        announce: called with a description of what is about to take a while.

    Raises:
        ReorderKitError: if there is no such ordering, or the prior cannot use a VQ-VAE.
    """
    experiment = scored.experiment
    splits = experiment.open_data()
    grid, seed = experiment.facts(splits.image).grid, experiment.recipe.seed
    fitted = None
    if vq is not None:
        scored.require_tokens()  # before a minute of training, not after it
        fitted = fit_vq(vq, experiment.recipe.name, splits, grid, seed, images, announce)
        scored = scored.with_vq(fitted.file, host)
    scorer = cast("ScoringPrior", scored.start.build(splits.image, grid))  # any other was refused
    patches = TrainingPatches(splits, grid, seed, images)
    ranking = rank_orderings(scorer, patches, orders_named(names, scored.start, grid, host), seed)
    return RankedRecipe(scored, scorer.measure, grid, ranking, len(patches) - ranking.images, fitted)


def with_prior(content: Mapping[str, Any], name: str | None, host: PluginHost) -> dict[str, Any]:
    """The recipe with the requested prior as its start; options that it gives to that prior are kept.

    Args:
        content: the recipe as plain data.
        name: name of the prior; None for the recipe's, or else the default.
        host: the installed plugins.

    Raises:
        ReorderKitError: if there is no such prior.
    """
    given = _prior_of(content)
    if name is None and given is None:
        name = DEFAULT_PRIOR
    if name is None or name == given:
        return dict(content)
    host.priors.get(name)  # refuses an unknown name, and suggests the closest
    return override(content, [("order.start", {"prior": name})])


def _prior_of(content: Mapping[str, Any]) -> Any:
    """The name of the recipe's prior; None if it starts from an ordering."""
    found: Any = content
    for key in ("order", "start", "prior"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found.get("name") if isinstance(found, Mapping) else found


def ranks_patches(content: Mapping[str, Any], host: PluginHost) -> bool:
    """Whether the prior of a recipe ranks patches instead of orderings; False if its name is unknown."""
    name = _prior_of(content)
    return isinstance(name, str) and name in host.priors and issubclass(host.priors.get(name), RankingPrior)


def orders_named(names: Sequence[str], start: StartByPrior, grid: Grid, host: PluginHost) -> dict[str, Order]:
    """Full orders by name.

    Args:
        names: orderings by name, order files, run folders; ``all`` stands for every ordering that needs no options.
        start: provides these.
        grid: the grid of the patches.
        host: the installed plugins.

    Raises:
        ReorderKitError: if a name is unknown, or its order leaves patches out.
    """
    orders: dict[str, Order] = {}
    for name in names:
        if name == "all":
            orders |= start.orders(grid)
            continue
        order = find_order(name, host, grid).order
        if not order.is_full:
            hint = "compare orders that hold every patch"
            raise ReorderKitError(f"{name}: a partial order is small because it leaves patches out", hint)
        orders[name] = order
    return orders
