"""Other people's run folders: nothing is downloaded or written where their recipes say without permission."""

from __future__ import annotations

import logging
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

import reorder_kit
from reorder_kit.cli.main import app
from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.data_sources.torchvision_sets import TorchvisionSets
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import take_policy
from reorder_kit.experiment.reopening import reopen
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from tests.helpers.resealed import reseal
from tests.helpers.shards import picture, write

RECIPE = {
    "format_version": 1,
    "name": "strange",
    "data": {"name": "image-folder", "root": "photos", "batch_size": 8, "train_transforms": []},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
    "order": {"learner": {"name": "softsort", "search_epochs": 0.5}},
    "train": {"epochs": 1, "device": "cpu"},
}


class Reached(BaseException):
    """The network was used; code that catches exceptions cannot hide it."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail if anything connects or looks up a name."""

    def reached(*arguments, **named):
        raise Reached

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, reached)
    monkeypatch.setattr(socket, "getaddrinfo", reached)


def paint(root):
    for number in range(24):
        path = root / ("bright", "dark")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shade = 255 - number if number % 2 == 0 else number
        Image.fromarray(np.full((8, 8, 3), shade, dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run with its data next to it."""
    home = tmp_path_factory.mktemp("theirs")
    paint(home / "photos")
    content = {**RECIPE, "data": {**RECIPE["data"], "root": str(home / "photos")}}
    reorder_kit.run(content, out=home / "run", host=host_with())
    return home


@pytest.fixture
def strange(trained, tmp_path):
    """Copies the run with other data in its recipe."""

    def copy(**data):
        shutil.copytree(trained / "run", tmp_path / "run")
        file = tmp_path / "run" / "recipe.yaml"
        content = yaml.safe_load(file.read_text())
        content["data"] = {"batch_size": 8, **data}
        file.write_text(write_yaml(content))
        reseal(tmp_path / "run")
        return tmp_path / "run"

    return copy


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def cli(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


SOURCES = {
    "torchvision": {"name": "torchvision", "dataset": "cifar10", "download": True},
    "hf": {"name": "hf", "dataset": "somebody/something", "image_size": 8},
}


def named(source, target):
    return {**SOURCES[source], **({"root": str(target)} if source == "torchvision" else {})}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("command", ["evaluate", "saliency"])
def test_commands_that_look_at_data_ask_before_a_download(source, command, strange, tmp_path):
    target = tmp_path / "theirs"
    run = strange(**named(source, target))
    done = cli(command, run)
    assert done.exit_code == 2, done.output
    assert f"data source {source!r} needs your permission to download" in done.output
    assert str(target if source == "torchvision" else "somebody/something") in done.output
    assert "--allow-download" in done.output
    assert not target.exists()


@pytest.mark.parametrize("source", SOURCES)
def test_a_report_never_downloads(source, strange, tmp_path):
    run = strange(**named(source, tmp_path / "theirs"))
    done = cli("report", run, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "theirs").exists()
    assert cli("report", run, "--out", tmp_path / "page", "--allow-download").exit_code == 2


@pytest.mark.parametrize("source", SOURCES)
def test_what_needs_no_data_does_not_ask(source, strange, tmp_path):
    run = strange(**named(source, tmp_path / "theirs"))
    host = host_with()
    loaded = reorder_kit.load_run(run, host)
    take_policy(loaded.model.policy, run, "softsort")
    done = cli("export-order", run, "--to", tmp_path / "order", "--set", "data.workers=0")
    assert done.exit_code == 0, done.output
    assert cli("show-order", run).exit_code == 0
    assert not (tmp_path / "theirs").exists()


def test_with_permission_it_is_downloaded(strange, tmp_path, monkeypatch):
    asked = []

    def opened(self, seed):
        asked.append(self.options.download)
        raise ReorderKitError("no such data")

    monkeypatch.setattr(TorchvisionSets, "open", opened)
    run = strange(**named("torchvision", tmp_path / "theirs"))
    assert cli("evaluate", run).exit_code == cli("evaluate", run, "--allow-download").exit_code == 2
    with pytest.raises(ReorderKitError, match="no such data"):
        reorder_kit.load_run(run, host_with(), allow_download=True).experiment.open_data()
    assert asked == [False, True, True]


def test_data_that_is_there_needs_no_permission(trained):
    assert cli("evaluate", trained / "run").exit_code == 0


def test_the_hub_is_asked_only_with_permission(monkeypatch, tmp_path):
    pytest.importorskip("datasets")
    source = HuggingFace(HuggingFace.Options(dataset="somebody/something", image_size=8))
    assert source.downloads == "somebody/something from the Hugging Face hub into the cache of datasets"
    with pytest.raises(ReorderKitError):
        source.without_downloads().open(0)
    with pytest.raises(Reached):
        source.open(0)


@pytest.mark.parametrize(
    ("card", "is_remote"),
    [
        ("---\nconfigs:\n- config_name: a\n  data_files: https://example.org/a.parquet\n---\n", True),
        ('---\nconfigs:\n- {config_name: a, data_files: "https\\x3a//example.org/a"}\n---\n', True),
        ("---\nconfigs: [\n---\n", True),
        ("---\nlicense_link: https://example.org\nconfigs:\n- {config_name: a, data_files: a.parquet}\n---\n", False),
        ("See https://example.org\n", False),
    ],
)
def test_a_folder_whose_card_names_files_elsewhere_is_told_from_others(card, is_remote, tmp_path):
    (tmp_path / "README.md").write_text(card)
    source = HuggingFace(HuggingFace.Options(dataset=tmp_path, image_size=8))
    assert (source.downloads is not None) == is_remote
    assert source.without_downloads().downloads is None
    if is_remote:
        pytest.importorskip("datasets")
        with pytest.raises(ReorderKitError, match="names files that would have to be downloaded"):
            source.without_downloads().open(0)


def test_archives_of_imagenet_are_not_unpacked(tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(b"")
    source = TorchvisionSets(TorchvisionSets.Options(dataset="imagenet", root=tmp_path))
    assert source.downloads == f"the content of the imagenet archives into {tmp_path}"
    with pytest.raises(ReorderKitError, match="are not unpacked"):
        source.without_downloads().open(0)
    assert files_below(tmp_path) == ["ILSVRC2012_img_val.tar"]


class Fetching(DataSource):
    """Downloads what it opens, without an alternative."""

    name = "fetching"
    target_kinds = (CLASS,)
    image = ImageShape(3, 8, 8)
    downloads = "everything into a folder"

    def open(self, seed) -> DataSplits:
        raise Reached


def test_a_source_that_cannot_do_without_is_not_opened(strange):
    run = RunFolder(strange(name="fetching"))
    experiment = reopen(run, host_with(Fetching))
    with pytest.raises(ReorderKitError, match="'fetching' download everything into a folder"):
        experiment.open_data()
    with pytest.raises(Reached):
        reopen(run, host_with(Fetching), allow_download=True).open_data()


def test_nothing_is_cached_where_a_strange_recipe_says(trained, strange, tmp_path, caplog):
    cache = tmp_path / "theirs"
    data = {"name": "image-folder", "root": str(trained / "photos"), "train_transforms": []}
    run = strange(**data, cache="disk", cache_folder=str(cache))
    with caplog.at_level(logging.WARNING):
        done = cli("evaluate", run)
    assert done.exit_code == 0, done.output
    assert not cache.exists()
    assert "data.cache_folder: without --allow-download nothing is written" in caplog.text
    assert cli("evaluate", run, "--set", f"data.cache_folder={tmp_path / 'mine'}").exit_code == 0
    assert len(files_below(tmp_path / "mine")) == 1
    assert cli("evaluate", run, "--allow-download").exit_code == 0
    assert len(files_below(cache)) == 1


def test_notes_of_shards_are_not_written_beside_those_of_others(strange, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "theirs"
    root.mkdir()
    members = []
    for number in range(24):
        shade = 255 - number if number % 2 == 0 else number
        image = picture(np.full((8, 8, 3), shade, dtype=np.uint8))
        members += [(f"{number}.png", image), (f"{number}.cls", str(number % 2).encode())]
    write(root / "train.tar", members)
    run = RunFolder(strange(name="webdataset", root=str(root), train="train.tar", image_size=8))
    experiment = reopen(run, host_with())
    assert len(experiment.open_data().train) > 0
    assert files_below(root) == ["train.tar"]
    assert any(path.suffix == ".npz" for path in Path(tmp_path / "cache").rglob("*"))
    reopen(run, host_with(), allow_download=True).open_data()
    assert len(experiment.open_data().train) > 0
