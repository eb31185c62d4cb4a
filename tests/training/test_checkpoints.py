import json

import pytest
import torch
from torch import nn

from made_results import figures
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import digest_of
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.runs.checkpoint_facts import CheckpointFacts
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.checkpoints import load_checkpoint, save_checkpoint
from resealed import change_with


def save(folder, epoch, value):
    module = nn.Linear(2, 1)
    nn.init.constant_(module.weight, value)
    facts = CheckpointFacts(
        epoch=epoch,
        image=ImageShape(1, 8, 8),
        classes=["a", "b"],
        step=12,
        steps_per_epoch=4,
        seconds=1.5,
        images_per_second=64.0,
        validation=figures(top1=0.5),
        processes=1,
    )
    save_checkpoint(folder, {"model": module}, {"main": {"step": torch.tensor(value)}}, facts)


def weight_of(folder):
    module = nn.Linear(2, 1)
    load_checkpoint(folder.checkpoint(), {"model": module})
    return module.weight.tolist()


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_what_was_saved_comes_back(folder):
    save(folder, 3, 0.1)
    optimizers, facts = load_checkpoint(folder.checkpoint(), {}), folder.checkpoint().facts
    assert weight_of(folder) == [[pytest.approx(0.1)] * 2]
    assert optimizers["main"]["step"] == pytest.approx(0.1)
    assert (facts.epoch, facts.seconds, facts.validation["top1"]) == (3, 1.5, 0.5)


def test_the_newest_checkpoint_takes_the_place_of_the_one_before(folder):
    save(folder, 9, 1.0)
    save(folder, 10, 2.0)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["epoch-000010"]
    assert weight_of(folder) == [[2.0, 2.0]]


def test_a_kill_before_the_older_one_is_removed_leaves_the_newer_one_in_force(folder, tmp_path):
    save(folder, 1, 1.0)
    other = RunFolder(tmp_path / "other")
    save(other, 2, 2.0)
    other.latest_checkpoint().rename(folder.checkpoints / "epoch-000002")
    assert weight_of(folder) == [[2.0, 2.0]]


def test_an_unfinished_checkpoint_is_none_and_does_not_stand_in_the_way(folder):
    unfinished = folder.checkpoints / "unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "stale.safetensors").write_text("half")
    assert folder.latest_checkpoint() is None
    save(folder, 1, 1.0)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["epoch-000001"]
    assert not (folder.latest_checkpoint() / "stale.safetensors").exists()


def test_a_checkpoint_of_another_format_is_refused(folder):
    save(folder, 1, 1.0)
    file = folder.latest_checkpoint() / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 2}))
    with pytest.raises(ReorderKitError, match=r"state\.json: format_version 2 is not 1"):
        weight_of(folder)


class Harm:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


def test_loading_runs_no_code(folder):
    save(folder, 1, 1.0)
    file = folder.latest_checkpoint() / "optimizers.pt"
    torch.save({"main": Harm()}, file)
    facts = folder.latest_checkpoint() / "state.json"
    change_with(facts, lambda content: content | {"files": content["files"] | {file.name: digest_of(file)}})
    with pytest.raises(ReorderKitError, match=r"optimizers\.pt: cannot be read: Weights only load failed\n"):
        weight_of(folder)


def test_torn_weights_are_an_error_that_names_the_file(folder):
    save(folder, 1, 1.0)
    torn = folder.latest_checkpoint() / "model.safetensors"
    torn.write_bytes(torn.read_bytes()[:-4])
    with pytest.raises(ReorderKitError, match=r"epoch-000001/model\.safetensors: is damaged"):
        weight_of(folder)
