"""``state.json``: the facts of a checkpoint."""

from __future__ import annotations

import json

import pytest

from made_results import figures
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.runs.checkpoint_facts import CheckpointFacts

WRITTEN = {
    "format_version": 1,
    "epoch": 3,
    "image": {"channels": 1, "height": 8, "width": 8, "frames": 1},
    "classes": ["zero", "one"],
    "step": 12,
    "steps_per_epoch": 4,
    "seconds": 1.5,
    "images_per_second": 64.0,
    "validation": {"loss": 0.5, "images": 8, "top1": 0.75},
    "processes": 2,
}
FACTS = CheckpointFacts(
    epoch=3,
    image=ImageShape(1, 8, 8),
    classes=["zero", "one"],
    step=12,
    steps_per_epoch=4,
    seconds=1.5,
    images_per_second=64.0,
    validation=figures(top1=0.75),
    processes=2,
)


def test_facts_are_written_key_for_key_and_come_back(tmp_path):
    FACTS.write(tmp_path / "state.json")
    assert json.dumps(json.loads((tmp_path / "state.json").read_text())) == json.dumps(with_checksum(WRITTEN))
    assert CheckpointFacts.read(tmp_path / "state.json") == FACTS


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"format_version": 0}, "format_version 0 is not 1"), ({"image": {"channels": 1}}, r"image\.height is missing")],
)
def test_another_version_and_what_is_damaged_are_refused(tmp_path, changes, said):
    (tmp_path / "state.json").write_text(json.dumps(with_checksum(WRITTEN | changes)))
    with pytest.raises(ReorderKitError, match=rf"state\.json: .*{said}"):
        CheckpointFacts.read(tmp_path / "state.json")
