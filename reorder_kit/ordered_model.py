"""A backbone, a policy and a head, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.compose import Experiment, compose
from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import (
    Backbone,
    Encoded,
    Features,
    ImageShape,
    LearnerContext,
    ModelOutput,
    PatchSequence,
    Policy,
    Proposal,
)
from reorder_kit.order_file import OrderFile
from reorder_kit.patch_order import Order, load_tensors
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.progress import Progress
from reorder_kit.recipe import read_recipe_file
from reorder_kit.run_folder import RunFolder, read_facts


class OrderedPatches(NamedTuple):
    """Patches in the slots of a proposal."""

    sequence: PatchSequence
    proposal: Proposal


class OrderedModel(nn.Module):
    """Images to outputs, the patches put in the order that the policy proposes.

    While training the policy proposes; in evaluation its best order is used.

    Args:
        backbone: the backbone.
        policy: the policy.
        head: turns :class:`~reorder_kit.interfaces.Features` into outputs.
    """

    def __init__(self, backbone: Backbone, policy: Policy, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.policy = policy
        self.head = head
        self._encode = backbone.encode

    @classmethod
    def build(
        cls,
        experiment: Experiment,
        image: ImageShape,
        classes: Sequence[str],
        starting_order: Callable[[Grid], Order],
    ) -> OrderedModel:
        """A model as training begins with it.

        Its weights depend on the recipe's seed alone, or are those of the run that the recipe takes them from; never on
        order or learner. The global random stream is left as it is.

        Args:
            experiment: the parts.
            image: the shape of an image.
            classes: names of the classes.
            starting_order: gives the order to start from for the backbone's grid. The untrained policy's best order is
                this one.

        Raises:
            ReorderKitError: if the weights that the recipe names are not there, or are of another model.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(experiment.recipe.seed)
            backbone = experiment.build_backbone(image)
            head = experiment.task.build_head(backbone.dim, classes)
            start, kind = starting_order(backbone.grid), experiment.data_source.target_kind
            context = LearnerContext(start, backbone.grid, backbone.dim, backbone.depth, kind, classes)
            policy = experiment.build_policy(context)
        model = cls(backbone, policy, head)
        if experiment.recipe.train.weights is not None:
            model.load_weights(experiment.recipe.train.weights)
        return model

    @classmethod
    def from_run(cls, path: str | Path, host: PluginHost | None = None) -> OrderedModel:
        """The trained model of a run, in evaluation mode, on the CPU.

        Args:
            path: the run folder.
            host: where its components come from; the installed plugins if not given.

        Raises:
            ReorderKitError: if the folder holds no checkpoint, one of another format, or one that cannot be read.
        """
        folder = RunFolder(Path(path))
        checkpoint = folder.latest_checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{path} holds no checkpoint", "give the folder of a run, as in runs/quickstart")
        experiment = compose(read_recipe_file(folder.recipe), host or PluginHost.from_environment(), str(folder.recipe))
        facts = read_facts(checkpoint)
        start = OrderFile.load(folder.start_order).order
        untrained = experiment.without_pretrained_weights()
        model = cls.build(untrained, ImageShape(**facts["image"]), facts["classes"], lambda grid: start)
        model._load_parts(checkpoint)
        model.policy.load_state_dict(load_tensors(checkpoint / "policy.safetensors"))
        # A finished search stays finished, also where the model is trained on.
        epochs = experiment.recipe.train.epochs
        progress = Progress(step=facts["epoch"], steps_per_epoch=1, epochs=epochs)
        model.policy.advance(experiment.phases(epochs).locate(progress))
        return model.eval()

    def load_weights(self, run: Path) -> None:
        """Take over the final weights of backbone and head from a finished run; the policy stays as it is.

        Raises:
            ReorderKitError: if the run is not finished, or its weights are those of another model.
        """
        folder = RunFolder(run)
        folder.read_result()
        checkpoint = folder.latest_checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{run} holds no checkpoint", "give the folder of a run, as in runs/quickstart")
        try:
            self._load_parts(checkpoint)
        except RuntimeError as error:
            first = str(error).split("\n")[1].strip()
            reason = f"{run}: the weights are those of another model: {first}"
            raise ReorderKitError(reason, "give the run of a recipe with the same data and backbone") from None

    def _load_parts(self, checkpoint: Path) -> None:
        """The weights that a run is judged by: averaged ones where there are any."""
        averaged = checkpoint / "ema.safetensors"
        weights = load_tensors(averaged if averaged.exists() else checkpoint / "model.safetensors")
        self.backbone.load_state_dict(_under("backbone.", weights))
        self.head.load_state_dict(_under("head.", weights))

    def compile_encode(self) -> None:
        """Compile the backbone's encode, where the time goes."""
        self._encode = torch.compile(self.backbone.encode)

    def forward(
        self,
        images: Float[Tensor, "batch channel height width"],
        choose: Callable[[PatchSequence], Proposal] | None = None,
        content: Int[Tensor, "batch 2"] | None = None,
    ) -> ModelOutput:
        """One pass.

        Args:
            images: the images.
            choose: proposes orders instead of the model itself, such as ``policy.propose`` in evaluation.
            content: height and width, pixels, of what stands in the top left corner of each image; the rest is padding,
                which no mixer reads. None if there is no padding.
        """
        content = None if content is None else content.to(images.device)
        ordered = self.order_patches(images, choose, content)
        features = self.features(self._encode(ordered.sequence), ordered.proposal, images, content)
        return ModelOutput(self.head(features), features)

    def features(
        self,
        encoded: Encoded,
        proposal: Proposal,
        images: Float[Tensor, "batch channel height width"],
        content: Int[Tensor, "batch 2"] | None,
    ) -> Features:
        """What the head may look at."""
        return Features(encoded, proposal, self.backbone, (images.shape[-2], images.shape[-1]), content)

    def order_patches(
        self,
        images: Float[Tensor, "batch channel height width"],
        choose: Callable[[PatchSequence], Proposal] | None = None,
        content: Int[Tensor, "batch 2"] | None = None,
    ) -> OrderedPatches:
        """The first half of a pass: what the backbone is given to encode."""
        sequence = self.backbone.tokenize(images)
        if content is not None:
            size = (images.shape[-2], images.shape[-1])
            sequence = replace(sequence, valid=_holds_content(content, size, sequence.grid))
        proposal = (choose or self._choose)(sequence)
        ordered = proposal.apply(sequence)
        return OrderedPatches(ordered if "order" in self.backbone.needs else ordered.without_order(), proposal)

    def _choose(self, sequence: PatchSequence) -> Proposal:
        return self.policy.propose(sequence) if self.training else Proposal(self.policy.best_order(sequence))


def _holds_content(
    content: Int[Tensor, "batch 2"], image_size: tuple[int, int], grid: Grid
) -> Bool[Tensor, "batch patch"]:
    """Which row-major patches hold at least one pixel that is no padding."""
    top = torch.arange(grid.height, device=content.device) * (image_size[0] / grid.height)
    left = torch.arange(grid.width, device=content.device) * (image_size[1] / grid.width)
    held: Tensor = (top < content[:, :1]).unsqueeze(2) & (left < content[:, 1:]).unsqueeze(1)
    return held.flatten(1).repeat(1, grid.frames)


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
