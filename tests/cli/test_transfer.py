"""`reorder-kit transfer`: orders of two recipes, each tried in the other."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from in_this_process import InThisProcess, W
from reorder_kit.cli.main import app
from reorder_kit.orders.order_file import OrderFile

RECIPE = """\
format_version: 1
name: {name}
data: {{name: digits, batch_size: 600}}
backbone: {{name: {backbone}, patch_size: {patch_size}, dim: 8}}
order: {order}
controls: [random-fixed]
optimizer: {{lr: 0.01}}
train: {{epochs: 2, device: cpu}}
"""
LEARNED = "{start: random, learner: {name: random-search, warmup_epochs: 0, search_epochs: 1, explore_share: 0}}"
FILES = {
    "a.yaml": ("a", "recurrent", 4, LEARNED),
    "b.yaml": ("b", "local", 4, LEARNED),
    "small-patches.yaml": ("small-patches", "recurrent", 2, LEARNED),
    "fixed.yaml": ("fixed", "recurrent", 4, "{start: row}"),
}


def write_recipes(folder):
    for file, fields in FILES.items():
        names = ("name", "backbone", "patch_size", "order")
        (folder / file).write_text(RECIPE.format(**dict(zip(names, fields, strict=True))))


PROCESSES = "reorder_kit.jobs.local_processes.LocalProcesses"


class Here(InThisProcess[W]):
    def __init__(self, slots):
        super().__init__(len(slots))


class Nowhere(Here[W]):
    def start(self, work):
        pytest.fail("something was trained")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A transfer, and the output of the command."""
    home = tmp_path_factory.mktemp("transfer")
    write_recipes(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.delenv("COLUMNS", raising=False)
        patch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
        patch.setattr(PROCESSES, Here)
        printed = CliRunner().invoke(app, ["transfer", "a.yaml", "b.yaml", "--seeds", "2", "--out", "out", "--json"])
    assert printed.exit_code == 0, printed.output
    return home, json.loads(printed.stdout)


@pytest.fixture
def again(done, tmp_path, monkeypatch):
    """The folder of a finished transfer, only for this test, in which nothing may be trained."""
    home = shutil.copytree(done[0], tmp_path / "home")
    monkeypatch.chdir(home)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(PROCESSES, Nowhere)
    return lambda *arguments: CliRunner().invoke(app, ["transfer", *arguments, "--out", "out"])


def score(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]["test"]["top1"]


def cells(report):
    return {(cell["how"], cell["target"], cell["row"]): cell["score"]["values"] for cell in report["cells"]}


@pytest.mark.slow
def test_every_training_is_a_run_in_the_order_it_says(done):
    home, report = done
    found = cells(report)
    for target in ("a", "b"):
        for seed in (0, 1):
            own = home / "out" / target / f"seed-{seed}"
            for row in ("start", "a", "b"):
                given = own / "learned" / "orders" / "start.json"
                if row != "start":
                    given = home / "out" / row / f"seed-{seed}" / "learned" / "order.json"
                for how in ("scratch", "tuned"):
                    run = own / f"{how}-{row}"
                    assert OrderFile.load(run / "order.json").order == OrderFile.load(given).order
                    assert found[how, target, row][seed] == score(run)
            assert not (own / "learned" / "controls").exists()


@pytest.mark.slow
def test_evaluated_in_its_own_order_a_model_scores_what_it_scored(done):
    home, report = done
    for target in ("a", "b"):
        expected = [score(home / "out" / target / f"seed-{seed}" / "learned") for seed in (0, 1)]
        assert cells(report)["evaluated", target, target] == pytest.approx(expected)


@pytest.mark.slow
def test_seeds_differ_in_everything_and_sides_start_alike(done):
    home, _ = done
    starts = {
        (name, seed): OrderFile.load(home / "out" / name / f"seed-{seed}" / "learned" / "orders" / "start.json").order
        for name in ("a", "b")
        for seed in (0, 1)
    }
    assert starts["a", 0] == starts["b", 0] != starts["a", 1] == starts["b", 1]


@pytest.mark.slow
def test_fine_tuning_goes_on_from_the_learned_weights_for_less_long(done):
    home, _ = done
    recipe = yaml.safe_load((home / "out" / "a" / "seed-1" / "tuned-b" / "recipe.yaml").read_text())
    learned = str(home / "out" / "a" / "seed-1" / "learned")
    assert recipe["train"]["weights"] == {"run": learned, "parts": ["backbone", "head"], "freeze": []}
    assert (recipe["train"]["epochs"], recipe["order"]["learner"], recipe["seed"]) == (1, None, 1)


@pytest.mark.slow
def test_a_second_time_nothing_is_trained_and_the_same_is_said(done, again):
    printed = again("a.yaml", "b.yaml", "--seeds", "2")
    assert printed.exit_code == 0, printed.output
    assert "means over 2 seeds" in printed.stdout
    assert "a, from scratch in the order of b:" in printed.stdout
    assert json.loads(again("a.yaml", "b.yaml", "--seeds", "2", "--json").stdout) == done[1]


@pytest.mark.slow
def test_the_matrix_is_written_and_drawn(done):
    home, report = done
    written = json.loads((home / "out" / "transfer.json").read_text())
    assert {name: written[name] for name in report} == report
    assert (home / "out" / "transfer.md").read_text().count("| order of | a, top1 | b, top1 |") == 3
    with Image.open(home / "out" / "transfer.png") as picture:
        assert min(picture.size) > 300


@pytest.mark.slow
def test_runs_of_another_recipe_are_not_mixed_in(again):
    printed = again("a.yaml", "b.yaml", "--seeds", "2", "--set", "optimizer.lr=0.1")
    assert printed.exit_code == 2
    assert "was started with another recipe; these fields differ: optimizer.lr" in printed.stderr


@pytest.mark.slow
def test_processes_do_the_same(done, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipes(tmp_path)
    printed = CliRunner().invoke(app, ["transfer", "a.yaml", "b.yaml", "--seeds", "1", "--out", "out", "--json"])
    assert printed.exit_code == 0, printed.output
    first = {cell: values[:1] for cell, values in cells(done[1]).items()}
    assert cells(json.loads(printed.stdout)) == first


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (["a.yaml"], "needs at least two recipes"),
        (["a.yaml", "a.yaml"], "two recipes have the name 'a'"),
        (["a.yaml", "fixed.yaml"], "fixed.yaml: has no order-learner"),
        (["a.yaml", "small-patches.yaml"], "a reads 2x2 patches but small-patches reads 4x4: an order for one grid"),
    ],
)
def test_what_cannot_be_transferred_is_refused_before_anything_is_trained(recipes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recipes(tmp_path)
    printed = CliRunner().invoke(app, ["transfer", *recipes])
    assert printed.exit_code == 2
    assert message in printed.stderr
    assert not (tmp_path / "runs").exists()
