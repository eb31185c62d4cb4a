import json

import numpy as np
import pytest
from PIL import Image

import reorder_kit
from reorder_kit.cli._run_summary import print_summary
from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with

IMAGES = {"train": 12, "val": 6, "test": 6}


@pytest.fixture
def root(tmp_path):
    """Two classes of photographs, dark and bright."""
    random = np.random.RandomState(0)
    for split, count in IMAGES.items():
        for name, level in [("dark", 40), ("bright", 200)]:
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(count // 2):
                pixels = (level + random.randint(-20, 20, (16, 16, 3))).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return tmp_path / "data"


def truncate(*paths):
    for path in paths:
        path.write_bytes(path.read_bytes()[:200])


def run(root, limit, **data):
    recipe = {
        "format_version": 1,
        "name": "photos",
        "data": {"name": "image-folder", "root": str(root), "batch_size": 4, **data},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
        "train": {"epochs": 2, "device": "cpu", "max_unreadable": limit},
    }
    host = host_with()
    out = root.parent / "run"
    result = reorder_kit.run(recipe, out=out, host=host).as_dict()
    return result, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_torn_training_images_are_named_and_skipped(root):
    torn = [root / "train" / "bright" / "1.jpg", root / "train" / "dark" / "2.jpg"]
    truncate(*torn)
    _, metrics = run(root, limit=2)
    assert [line["unreadable"] for line in metrics] == [sorted(map(str, torn))] * 2


def test_a_run_without_torn_images_mentions_none(root):
    result, metrics = run(root, limit=0)
    assert not any("unreadable" in line or "unreadable" in line["validation"] for line in metrics)
    assert result["metrics"]["test"]["images"] == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_more_torn_images_than_allowed_end_the_run_with_their_names(workers, root):
    truncate(*[root / "train" / "dark" / f"{number}.jpg" for number in (1, 2, 3)])
    with pytest.raises(ReorderKitError) as error:
        run(root, limit=2, workers=workers)
    assert "3 images could not be read, more than train.max_unreadable: 2" in error.value.message
    assert all(f"dark/{number}.jpg: " in error.value.message for number in (1, 2, 3))


def test_a_whole_batch_of_torn_images_is_skipped(root):
    kept = root / "train" / "dark" / "0.jpg"
    torn = [path for path in (root / "train").rglob("*.jpg") if path != kept and "bright/0" not in str(path)]
    truncate(*torn)
    _, metrics = run(root, limit=10)
    assert [len(line["unreadable"]) for line in metrics] == [10, 10]
    assert all(line["train"]["loss"] > 0 for line in metrics)


def test_torn_images_of_an_evaluation_are_named_and_not_counted(root):
    torn = {split: root / split / "dark" / "1.jpg" for split in ("val", "test")}
    truncate(*torn.values())
    result, metrics = run(root, limit=1)
    for figures, split in [(metrics[0]["validation"], "val"), (result["metrics"]["test"], "test")]:
        assert figures["images"] == 5
        assert figures["unreadable"] == [str(torn[split])]


@pytest.mark.parametrize("split", ["val", "test"])
def test_too_many_torn_images_end_an_evaluation_too(split, root):
    truncate(*[root / split / "bright" / f"{number}.jpg" for number in (0, 1)])
    with pytest.raises(ReorderKitError, match=rf"(?s)more than train.max_unreadable: 1.*{split}/bright/0\.jpg"):
        run(root, limit=1)


def test_the_summary_of_a_run_names_the_torn_images_of_every_split(root, capsys):
    torn = [root / split / "dark" / "1.jpg" for split in ("train", "test")]
    truncate(*torn)
    run(root, limit=1)
    folder = RunFolder(root.parent / "run")
    print_summary(folder, folder.read_result(), has_learner=False)
    assert f"2 images could not be read: {torn[0]}, {torn[1]}\n" in capsys.readouterr().out
