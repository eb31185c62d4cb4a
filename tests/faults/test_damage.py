"""Damaged run folders: a changed file is refused by name, or has no effect."""

from __future__ import annotations

import functools
import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import reorder_kit
from damage import damages_of, deleted, flipped, repeated
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.reopening import recipe_here
from reorder_kit.orders.checksums import digest_of
from reorder_kit.recipe import read_yaml
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.evaluate_run import evaluate_run
from reorder_kit.training.run_check import check_run, require_resumable
from resealed import change, change_with, reseal
from tests.helpers.tiny_data import SOURCES, pixels

NAMES = [f"image-{number}" for number in range(40)]
TIMED = ("seconds", "images_per_second", "encoder", "environment", "files", "checksum")
HOST = host_with()


class StopAfterEpochOne:
    @hookimpl
    def epoch_finished(self, run, epoch):
        if epoch == 1:
            raise KeyboardInterrupt


def recipe(data, seed=0):
    return {
        "format_version": 1,
        "name": "tiny",
        "seed": seed,
        "data": {**SOURCES[0].data(data), "batch_size": 16},
        "backbone": {"name": "local", "patch_size": 2, "dim": 4, "heads": 1, "depth": 1, "window": 2},
        "order": {"learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 1}},
        "controls": ["fixed-start"],
        "train": {"epochs": 2, "device": "cpu", "ema_decay": 0.9},
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Runs of two seeds, finished, and stopped after the first of two epochs."""
    home = tmp_path_factory.mktemp("damage")
    (home / "data").mkdir()
    SOURCES[0].fill(home / "data", {name: pixels(name) for name in NAMES})
    for name, seed in (("finished", 0), ("other-finished", 1)):
        reorder_kit.run(recipe(home / "data", seed), out=home / name, host=HOST)
    for name, seed in (("stopped", 0), ("other-stopped", 1)):
        with pytest.raises(KeyboardInterrupt):
            reorder_kit.run(recipe(home / "data", seed), out=home / name, host=host_with(StopAfterEpochOne()))
    return home


@pytest.fixture
def copy(home, tmp_path):
    """A copy of a run, which a test may damage."""
    return lambda name: Path(shutil.copytree(home / name, tmp_path / name))


def files_of(run):
    """The files of a run by their names."""
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def read_everything(path):
    """Everything that resume, evaluation and reports read from a run."""
    folder = RunFolder(path)
    found = {"recipe": recipe_here(folder), "data": folder.read_data(), "fitted": folder.read_fitted()}
    found |= {"names": folder.read_names(found["data"]), "start": folder.read_start()}
    checkpoint = folder.checkpoint()
    if checkpoint is not None:
        weights = [name for name in checkpoint.facts.files if name.endswith(".safetensors")]
        found["weights"] = {name: _plain(checkpoint.tensors(name)) for name in weights}
        found |= {"facts": checkpoint.facts, "moments": _plain(checkpoint.optimizers())}
    if folder.is_finished:
        record = RunRecord.read(folder)
        scores = folder.read_test_scores()
        found |= {"record": record, "orders": record.orders(), "saliency": record.saliency()}
        found |= {"controls": record.controls(), "scores": None if scores is None else scores.tolist()}
    else:
        found["environment"] = folder.read_environment()
        if checkpoint is not None:
            require_resumable(folder)
    return found


def _plain(content):
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    # As text, since NaN does not equal itself.
    return str(content.tolist()) if isinstance(content, torch.Tensor) else content


def tried(read, *arguments):
    """What was read, or the message of an expected error. Any other error fails the test."""
    try:
        return read(*arguments), None
    except ReorderKitError as error:
        return None, error.message


def others_for(home, run, name):
    """Possible replacements of a file: the same file of another run, and other orders or lines of this one."""
    near = [path for path in (home / run / name).parent.glob(f"*{Path(name).suffix}") if path.name != Path(name).name]
    return [path.read_bytes() for path in (home / f"other-{run}" / name, *near) if path.is_file()]


def problems_of(path):
    return [check.problem for check in check_run(RunFolder(path)) if check.problem is not None]


@pytest.fixture
def quick_yaml(monkeypatch):
    """Each text is parsed once; PyYAML would take most of the time."""
    monkeypatch.setattr(read_yaml, "read_yaml", functools.cache(read_yaml.read_yaml))


def damage_again_and_again(home, path, run, name, tries):
    """Damage a file, check what is reported, and restore it; returns how often it was refused."""
    file, content = path / name, (path / name).read_bytes()
    before, others, refused = read_everything(path), others_for(home, run, name), 0
    for seed in range(tries):
        draw = random.Random(f"{name} {seed}")
        damage = draw.choice(damages_of(file))
        now = damage(content, draw, others)
        if now == content:
            continue
        case = f"{name}, {damage.__name__}, seed {seed}"
        file.unlink() if now is None else file.write_bytes(now)
        problems, (after, refusal) = problems_of(path), tried(read_everything, path)
        is_unfinished_now = name == "result.json" and now is None
        is_harmless = is_unfinished_now or (run == "stopped" and file.name == "metrics.jsonl" and damage is repeated)
        assert is_harmless or any(file.name in problem for problem in problems), case
        assert refusal is None or file.name in refusal, case
        assert refusal is not None or is_unfinished_now or after == before, case
        refused += refusal is not None
        file.write_bytes(content)
    return refused


UNREAD = ("plugins.json", "sampled-process-0.jsonl")
"""Files for people: the check of the folder reports damage to them, which has no other effect."""


@pytest.mark.parametrize(("run", "tries"), [("finished", 12), ("stopped", 12)])
def test_every_file_is_refused_by_name_or_changes_nothing(run, tries, home, copy, quick_yaml):
    path = copy(run)
    assert problems_of(path) == []
    looked_at = [name for name in files_of(path) if not name.startswith("controls/")]
    assert len(looked_at) >= 14
    for name in looked_at:
        if run == "stopped" and Path(name).name in UNREAD[1:]:
            continue  # orders drawn after the checkpoint are removed
        assert (damage_again_and_again(home, path, run, name, tries) > 0) is (Path(name).name not in UNREAD), name


@pytest.mark.slow
@pytest.mark.parametrize("run", ["finished", "stopped"])
def test_every_file_with_many_damages(run, home, copy, quick_yaml):
    path = copy(run)
    for name in files_of(path):
        # Runs within another have the same files, read in the same way: two represent all.
        is_beside = name.startswith("controls/") and Path(name).name not in ("result.json", "order.json")
        if not is_beside and not (run == "stopped" and Path(name).name in UNREAD[1:]):
            damage_again_and_again(home, path, run, name, 50)


def outcome(path):
    """The result of a run, without times."""
    result = RunFolder(path).read_result().as_dict()
    return {name: value for name, value in result.items() if name not in TIMED}


NEEDED = [
    "recipe.yaml",
    "data.json",
    "split.jsonl.gz",
    "environment.json",
    "fitted.json",
    "metrics.jsonl",
    "orders/start.json",
    "orders/epoch-0001.json",
    *(f"checkpoints/epoch-000001/{name}" for name in ("state.json", "optimizers.pt")),
    *(f"checkpoints/epoch-000001/{name}.safetensors" for name in ("model", "ema", "policy")),
]


def test_a_stopped_run_is_resumed_to_the_same_end(home, copy):
    path = copy("stopped")
    reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)
    assert outcome(path) == outcome(home / "finished")
    assert problems_of(path) == []


@pytest.mark.parametrize("name", NEEDED)
def test_a_run_is_not_resumed_from_a_damaged_file(name, home, copy):
    path = copy("stopped")
    file = path / name
    file.write_bytes(flipped(file.read_bytes(), random.Random(name), []))
    with pytest.raises(ReorderKitError) as refused:
        reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)
    assert file.name in refused.value.message
    file.unlink()
    with pytest.raises(ReorderKitError) as refused:
        reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)
    assert file.name in refused.value.message or "has no run to resume" in refused.value.message


def test_metrics_of_another_run_are_not_continued(home, copy):
    path = copy("stopped")
    shutil.copy(home / "other-stopped" / "metrics.jsonl", path)
    with pytest.raises(ReorderKitError, match=r"metrics\.jsonl: its first 1 lines are damaged or from another run"):
        reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)


def test_a_checkpoint_of_another_run_is_not_continued(home, copy):
    path = copy("stopped")
    shutil.copytree(home / "other-stopped" / "checkpoints", path / "checkpoints", dirs_exist_ok=True)
    with pytest.raises(ReorderKitError, match=r"recipe\.yaml: is damaged, or from another run"):
        reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)


def test_what_was_written_after_the_checkpoint_is_no_damage(home, copy):
    path = copy("stopped")
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "train": {"loss": 9.0}}\n{"epoch": 2, "tr')
    (path / "orders" / "epoch-0002.json").write_text("{}")
    with (path / "orders" / "sampled-process-0.jsonl").open("ab") as file:
        file.write(b'[1]\n{"epoch": true}\n\xff\n{"epo')
    assert problems_of(path) == []
    reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)
    assert outcome(path) == outcome(home / "finished")
    assert problems_of(path) == []


@pytest.mark.parametrize("name", ["ema.safetensors", "policy.safetensors"])
@pytest.mark.parametrize("damage", [flipped, deleted])
def test_weights_that_are_damaged_or_gone_are_used_by_nobody(name, damage, home, copy):
    path = copy("finished")
    file = path / "checkpoints" / "epoch-000002" / name
    now = damage(file.read_bytes(), random.Random(0), [])
    file.unlink() if now is None else file.write_bytes(now)
    with pytest.raises(ReorderKitError, match=name):
        evaluate_run(RunFolder(path), [], "test", HOST)
    field = "train.weights" if name.startswith("ema") else "order.weights"
    with pytest.raises(ReorderKitError, match=name):
        reorder_kit.run(recipe(home / "data"), {field: str(path)}, out=path.parent / "next", host=HOST)


NONSENSE = [
    ("result.json", {"format_version": True}, "format_version True is not 1"),
    ("result.json", {"seconds": "3"}, r"seconds should be 3\.0, not '3'"),
    ("result.json", {"higher_is_better": 1}, "higher_is_better should be True, not 1"),
    ("result.json", {"seconds": float("nan")}, "seconds Input should be a finite number"),
    ("result.json", {"order": []}, "order Input should be"),
    ("result.json", {"files": {"../../secret": "0" * 64}}, "should list files of the folder"),
    ("result.json", {"files": {"/dev/zero": "0" * 64}}, "should list files of the folder"),
    ("result.json", {"metrics": {"test": {"loss": 1, "images": 10**400}, "validation": {}}}, "images is too large"),
    ("data.json", {"images": {"train": "3"}}, "images.train should be 3, not '3'"),
    ("environment.json", {"cpu_count": True}, "cpu_count should be 1, not True"),
    ("checkpoints/epoch-000002/state.json", {"epoch": 0}, "epoch Input should be greater"),
    ("checkpoints/epoch-000002/state.json", {"step": 10**400}, "step "),
    ("checkpoints/epoch-000002/state.json", {"epoch": 1}, "belongs to the checkpoint of epoch 1"),
    ("checkpoints/epoch-000002/state.json", {"files": {"x": "short"}}, "should have a SHA-256"),
]


@pytest.mark.parametrize(("name", "changes", "said"), NONSENSE, ids=lambda value: str(value)[:40])
def test_nonsense_with_a_checksum_is_refused_by_file_and_field(name, changes, said, copy):
    path = copy("finished")
    change(path / name, **changes)
    if name in ("data.json", "environment.json"):
        reseal(path)
    assert [problem for problem in problems_of(path) if Path(name).name in problem and re.search(said, problem)]


def test_files_that_somebody_sealed_again_still_have_to_belong_together(home, copy):
    path = copy("finished")
    change(path / "order.json", order=list(range(16)))
    with pytest.raises(ReorderKitError, match=r"order\.json: is damaged, or from another run"):
        RunRecord.read(RunFolder(path))
    shutil.copy(home / "other-finished" / "result.json", path)
    with pytest.raises(ReorderKitError, match=r"recipe\.yaml: is damaged, or from another run: .*result\.json"):
        RunFolder(path).read_result()


def test_a_control_of_another_run_is_none_of_this_one(home, copy):
    path = copy("finished")
    beside = Path("controls", "fixed-start")
    shutil.rmtree(path / beside)
    shutil.copytree(home / "other-finished" / beside, path / beside)
    assert problems_of(path / beside) == []
    with pytest.raises(ReorderKitError, match=r"fixed-start/result\.json: is damaged, or from another run"):
        RunRecord.read(RunFolder(path)).controls()
    assert len(problems_of(path)) == 1


@pytest.mark.parametrize("scores", [np.zeros((2, 3), np.float32), np.zeros(3), np.array([{}], dtype=object)])
def test_scores_of_another_kind_are_refused(scores, copy):
    path = copy("finished")
    np.save(path / "test_scores.npy", scores, allow_pickle=True)
    digest = digest_of(path / "test_scores.npy")
    change_with(
        path / "result.json", lambda content: content | {"files": content["files"] | {"test_scores.npy": digest}}
    )
    with pytest.raises(ReorderKitError, match=r"test_scores\.npy: "):
        RunFolder(path).read_test_scores()


def test_a_file_without_a_checksum_is_refused(copy):
    path = copy("finished")
    content = json.loads((path / "result.json").read_text())
    del content["checksum"]
    (path / "result.json").write_text(json.dumps(content))
    with pytest.raises(ReorderKitError, match=r"result\.json: has no checksum"):
        RunFolder(path).read_result()


@pytest.mark.parametrize("removed", [["order.json"], ["test_scores.npy"], ["controls"], ["checkpoints"]], ids=str)
def test_what_the_documents_say_to_remove_is_made_again(removed, home, copy):
    path = copy("finished")
    for name in [*removed, "result.json"]:
        shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
    reorder_kit.run(recipe(home / "data"), out=path, resume=True, host=HOST)
    assert outcome(path) == outcome(home / "finished")
    assert problems_of(path) == []
