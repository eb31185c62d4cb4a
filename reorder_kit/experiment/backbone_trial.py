"""Checks that a plugin's backbone matches its facts, without weights and without data."""

from __future__ import annotations

import torch

from reorder_kit.errors import ComponentError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_record import is_own
from reorder_kit.model.backbone_checks import backbone_error, checked_tokens, reach_of_slots, require_encoded

_IMAGES = 2


def refuse_wrong_backbone(experiment: Experiment) -> None:
    """Build a plugin's backbone on the meta device, where it takes no memory, and have it read two blank images.

    Other errors are left to the run: code that looks at values, or needs a GPU, cannot work on that device. Built-in
    backbones are covered by tests. Nothing is checked if only the data tells the shape of images.

    Args:
        experiment: the composed recipe.

    Raises:
        ComponentError: if its output contradicts its facts.
    """
    image = experiment.data_source.image
    if image is None or is_own(experiment.backbone.__module__):
        return
    try:
        with torch.device("meta"), torch.no_grad():
            backbone = experiment.without_downloads().build_backbone(image).eval()
            sequence = checked_tokens(backbone, backbone.tokenize(torch.zeros(_IMAGES, *image.axes)), _IMAGES)
            encoded = backbone.encode(sequence.without_order())
            require_encoded(backbone, encoded, _IMAGES)
            readout = backbone.summarize(encoded)
            reach_of_slots(backbone, sequence.num_slots)
        found, expected = tuple(readout.shape), (_IMAGES, backbone.dim)
    except ComponentError:
        raise
    except Exception:
        return
    if found != expected:
        reason = f"its readout is {found}; its facts say {expected}"
        raise backbone_error(backbone, reason, "return [batch, dim], with the dim of its facts")
