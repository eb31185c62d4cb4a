"""A trained run with its controls, and a handmade study whose run folders are copies of it."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from reorder_kit.api.running import run
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orderings.random import Random
from reorder_kit.orderings.row import Row as RowOrdering
from reorder_kit.orderings.spiral import Spiral
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.results import Comparison, Failure, Row, StudyResult
from resealed import reseal

GRID = Grid(4, 4)
# Text that would be a script, an attribute or a closing tag without escaping.
HOSTILE = "<script>document.title='taken'</script>\"' onerror=\"x"
RECIPE = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 200},
    "backbone": {"name": "local", "patch_size": 2, "window": 2, "causal": True, "dim": 8, "heads": 2},
    "order": {"start": {"name": "random", "seed": 3}, "learner": {"name": "softsort", "warmup_epochs": 1, "lr": 1.0}},
    "controls": ["fixed-start", "learned-static"],
    "train": {"epochs": 6, "device": "cpu"},
}
RECIPE["backbone"]["readout"] = "last"  # with this window five of sixteen slots are read


@pytest.fixture(scope="session")
def host():
    return PluginHost(third_party=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, host):
    """A run folder with controls; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "trial"
    run(RECIPE, out=folder, host=host)
    return folder


@pytest.fixture
def run_folder(trained, tmp_path):
    """A copy that may be changed."""
    return Path(shutil.copytree(trained, tmp_path / "trial", ignore=shutil.ignore_patterns("checkpoints")))


@pytest.fixture(scope="session")
def study_folder(trained, tmp_path_factory):
    """A study; not to be changed."""
    folder = tmp_path_factory.mktemp("study") / "example"
    make_study(folder, trained, seeds=3).write(folder / "study.json")
    return folder


def make_study(folder, trained, seeds):
    """A study of two backbones with its run folders; its figures are invented."""
    rows = []
    for backbone, gain in (("local", 0.04), ("vit", 0.0)):
        for start, learner, control, mean in (
            ("row", None, None, 0.80),
            ("spiral", None, None, 0.80 + gain),
            ("random", None, None, 0.78),
            ("random", "softsort", None, 0.79 + gain),
            ("random", "softsort", "learned-static", 0.795 + gain),
            ("row", None, "random-per-batch", 0.78 - gain),
        ):
            rows.append(_row(folder, trained, seeds, backbone, start, learner, control, mean))
    return StudyResult(
        name="example",
        headline="top1",
        higher_is_better=True,
        margin=0.02,
        alpha=0.05,
        rows=tuple(rows),
        comparisons=tuple(_comparisons(rows)),
        verdict=("For local the order matters.", "For vit orders are equivalent within a margin of 0.02."),
        failures=(Failure("cells/digits/vit/row/seed-9", f"the loss is no longer a number {HOSTILE}"),),
        unfinished=2,
        commands=("reorder-kit study studies/example.yaml", "reorder-kit report studies/example"),
        environment=Environment.read(RunFolder(trained).environment),
    )


def _row(folder, trained, seeds, backbone, start, learner, control, mean):
    parts = [part for part in ("digits", backbone, start, learner, control) if part]
    scores = [mean + 0.013 * ((7 * seed + len(parts)) % 5 - 2) / 2 for seed in range(seeds)]
    reached = 5 if backbone == "local" else 16
    runs = []
    for seed, score in enumerate(scores):
        path = Path("cells", *parts, f"seed-{seed}")
        begun = {"row": RowOrdering(), "spiral": Spiral(), "random": Random(Random.Options(seed=seed))}[start].order(
            GRID
        )
        final = (
            begun if learner is None else begun.compose(Order([1, 0, *range(2, 16 - seed), *range(15, 15 - seed, -1)]))
        )
        copy_run(trained, folder / path, final if control else begun, final, score, seed, reached)
        runs.append(path.as_posix())
    estimate = mean_over_seeds(scores)
    return Row(
        "digits", backbone, start, learner, control, estimate, tuple(range(seeds)), tuple(runs), reached, 16,
        reached < 16, 12.25,
    )  # fmt: skip


def _comparisons(rows):
    for first in (0, 6):
        backbone = rows[first].backbone
        selects = backbone == "local"
        for question, places in (
            ("order-matters", (first, first + 1, first + 2)),
            ("learning-helps", (first + 3, first + 2)),
            ("order-holds-up", (first + 4, first + 2)),
            ("control", (first + 5, first)),
        ):
            values = [max(rows[place].score.values[seed] for place in places) for seed in rows[first].seeds]
            worst = [min(rows[place].score.values[seed] for place in places) for seed in rows[first].seeds]
            if len(places) == 2:
                values, worst = (rows[place].score.values for place in places)
            difference = mean_over_seeds([a - b for a, b in zip(values, worst, strict=True)])
            verdict = "different" if selects else "equivalent" if question == "order-matters" else "not distinguishable"
            yield Comparison(
                question, "digits", backbone, places, difference, None if question == "control" else 1.5, 0.25, 0.5,
                0.02, verdict, f"{backbone} on digits, {question}: {verdict}.",
            )  # fmt: skip


def copy_run(source, target, start, final, score, seed=0, reached=5):
    """A run folder with other orders, another score and another seed; the order changes after the third epoch."""
    target.mkdir(parents=True)
    for name in ("environment.json", "data.json", "metrics.jsonl"):
        shutil.copy(source / name, target)
    recipe = yaml.safe_load((source / "recipe.yaml").read_text())
    (target / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "seed": seed}))
    folder = RunFolder(target)
    folder.orders.mkdir()
    OrderFile("start", GRID, start).save(folder.start_order)
    for epoch in range(1, 7):
        OrderFile(f"epoch-{epoch}", GRID, start if epoch < 4 else final).save(folder.epoch_order(epoch))
    OrderFile("trial", GRID, final).save(folder.order)
    result = json.loads(RunFolder(source).result.read_text())
    result["metrics"]["test"]["top1"] = score
    result["order"] |= {"start": start.indices.tolist(), "final": final.indices.tolist()}
    result["order"]["reach"] = {"slots": reached, "of": 16, "is_selection": reached < 16}
    result["controls"] = {}
    folder.result.write_text(json.dumps(result))
    reseal(target)


class ParsedPage(HTMLParser):
    """A page as elements with attributes and text; unclosed or doubly closed tags are errors."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self._open = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute of <{tag}> is given twice"
        element = Element(tag, dict(attributes), [each.tag for each in self._open])
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop().tag == tag

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, tag, **attributes):
        return [
            each
            for each in self.elements
            if each.tag == tag and all(each.attributes.get(name) == value for name, value in attributes.items())
        ]

    def table(self, name):
        """The table with this CSV name: a dict of sort values for each row."""
        places = [place for place, each in enumerate(self.elements) if each.attributes.get("data-csv") == f"{name}.csv"]
        (place,) = places
        start = max(number for number in range(place) if self.elements[number].tag == "table")
        cells = [each for each in self.elements[start:place] if each.tag in ("th", "td")]
        keys = [each.attributes["data-key"] for each in cells if "data-key" in each.attributes]
        values = [each.attributes["data-value"] for each in cells if "data-value" in each.attributes]
        assert len(values) % len(keys) == 0
        return [
            dict(zip(keys, values[first : first + len(keys)], strict=True))
            for first in range(0, len(values), len(keys))
        ]

    @property
    def sections(self):
        return [each.attributes["id"] for each in self.all("section") if "id" in each.attributes]


class Element:
    def __init__(self, tag, attributes, inside):
        self.tag, self.attributes, self.inside, self.text = tag, attributes, inside, ""


@pytest.fixture(scope="session")
def parse():
    return ParsedPage


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def copied_run():
    return copy_run
