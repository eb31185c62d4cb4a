"""Scrambled images: what the model sees, what undoes it, and what a run reports about it."""

from __future__ import annotations

import itertools
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reorder_kit import hookimpl
from reorder_kit.api.running import run
from reorder_kit.backbones.local import Local
from reorder_kit.data.scrambled_images import scramble
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    BOXES,
    MASK,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    Sample,
    Task,
    Unreadable,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.testing import host_with
from reorder_kit.training.planted import planted_figures

PLANT = {"order": "random", "seed": 3}


def recipe(data=None, **sections):
    backbone = {"name": "local", "grid": [4, 4], "dim": 8, "heads": 2}
    data = {"name": "digits", "batch_size": 600, **(data or {})}
    train = {"epochs": 1, "device": "cpu"}
    return {"format_version": 1, "name": "trial", "data": data, "backbone": backbone, "train": train, **sections}


@pytest.fixture(scope="module")
def host():
    return host_with()


def planted(host, plant=PLANT, **sections):
    return compose(recipe({"plant": plant}, **sections), host, "trial")


class Three:
    """Three samples of given shape; the second cannot be read."""

    def __init__(self, shape):
        self.images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return Unreadable("broken.png", "truncated") if index == 1 else Sample(self.images[index], index)


def three(shape):
    return DataSplits(ImageShape(*shape), ["a", "b", "c"], *(Three(shape) for _ in range(3)))


# What the model sees


def test_each_place_holds_the_patch_that_the_hidden_order_names():
    splits = three((1, 4, 2))
    splits.train.images[0] = torch.arange(8).view(1, 4, 2)  # patches of 2x1 pixels: 02 13 46 57
    image, target, *_ = scramble(splits, Grid(2, 2), Order([2, 0, 3, 1])).train[0]
    assert image.tolist() == [[[4, 0], [6, 2], [5, 1], [7, 3]]]  # 46 02 / 57 13
    assert target == 0


@pytest.mark.parametrize(("shape", "grid"), [((3, 6, 6), (3, 2)), ((1, 4, 12), (2, 4)), ((2, 5, 7), (5, 7))])
def test_every_pixel_of_every_channel_moves_with_its_patch(shape, grid):
    rows, columns = grid
    height, width = shape[1] // rows, shape[2] // columns
    hidden = Order(torch.randperm(rows * columns, generator=torch.Generator().manual_seed(1)))
    splits = three(shape)
    for split in ("train", "validation", "test"):
        true = getattr(splits, split)[2].image
        seen = getattr(scramble(splits, Grid(*grid), hidden), split)[2].image
        for place, patch in enumerate(hidden.indices.tolist()):
            row, column = divmod(place, columns)
            from_row, from_column = divmod(patch, columns)
            here = seen[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
            there = true[:, from_row * height : (from_row + 1) * height, from_column * width :][..., :width]
            assert torch.equal(here, there)


def test_the_inverse_of_the_hidden_order_undoes_it():
    backbone = Local(Local.Options(grid=(2, 3), positions="none"), ImageShape(1, 4, 6))
    splits, hidden = three((1, 4, 6)), Order([4, 2, 0, 5, 1, 3])
    scrambled = scramble(splits, Grid(2, 3), hidden)
    true, seen = (backbone.tokenize(each.train[0].image[None]).patches for each in (splits, scrambled))
    assert not torch.equal(seen, true)
    torch.testing.assert_close(hidden.inverse().apply(seen), true)
    learned = Order([5, 0, 2, 1, 4, 3])
    torch.testing.assert_close(learned.apply(seen), hidden.compose(learned).apply(true))


def test_what_is_unreadable_stays_so_and_sizes_stay():
    splits = three((1, 4, 4))
    scrambled = scramble(splits, Grid(2, 2), Order([2, 0, 3, 1]))
    assert scrambled.train[1] == Unreadable("broken.png", "truncated")
    assert (len(scrambled.train), scrambled.image, scrambled.classes) == (3, splits.image, splits.classes)


def test_scrambled_images_can_be_sent_to_loader_processes():
    scrambled = scramble(three((1, 4, 4)), Grid(2, 2), Order([2, 0, 3, 1])).test
    assert torch.equal(pickle.loads(pickle.dumps(scrambled))[0].image, scrambled[0].image)


@pytest.mark.parametrize("grid", [(3, 2), (2, 3)])
def test_images_that_are_no_whole_patches_are_refused_by_the_field(grid):
    with pytest.raises(
        ReorderKitError, match=rf"^data\.plant: an image of 4x4 pixels cannot be divided into {Grid(*grid)} whole"
    ):
        scramble(three((1, 4, 4)), Grid(*grid), Order(torch.randperm(6)))


# The recipe


def test_opened_data_are_scrambled_by_the_order_of_the_recipe(host):
    experiment = planted(host)
    hidden = experiment.planted_order(Grid(4, 4))
    assert hidden == host.orderings.get("random")(host.orderings.get("random").Options(seed=3)).order(Grid(4, 4))
    true, seen = Digits().open(0), experiment.open_data()
    expected = scramble(true, Grid(4, 4), hidden)
    for split in ("train", "validation", "test"):
        assert torch.equal(getattr(seen, split)[5].image, getattr(expected, split)[5].image)
        assert not torch.equal(getattr(seen, split)[5].image, getattr(true, split)[5].image)
        assert getattr(seen, split)[5].target == getattr(true, split)[5].target


def test_without_a_plant_images_are_the_true_ones(host):
    experiment = compose(recipe(), host, "trial")
    assert torch.equal(experiment.open_data().test[5].image, Digits().open(0).test[5].image)
    assert experiment.planted_order(Grid(4, 4)) is None


def test_opening_leaves_the_random_stream_as_it_was(host):
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    planted(host).open_data()
    assert torch.equal(torch.rand(2), expected)


def test_opening_builds_no_backbone():
    class Unbuilt(Local):
        name = "unbuilt"

        def __init__(self, options, image):
            raise AssertionError("it was built to learn its grid")

    host = PluginHost(third_party=False)
    host.add(SimpleNamespace(register_backbones=hookimpl(lambda: [Unbuilt])), "unbuilt")
    assert len(planted(host, backbone={"name": "unbuilt", "grid": [4, 4]}).open_data().train) == 1200


def test_a_resolved_plant_composes_to_itself(host):
    resolved = planted(host).resolved()
    expected = {"order": "random", "seed": 3, "transpose": False, "flip": "none", "reverse": False}
    assert resolved["data"]["plant"] == expected
    assert compose(resolved, host, "resolved").resolved() == resolved


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        ({"order": "randm"}, "data.plant.order: there is no ordering 'randm' (did you mean 'random'?)"),
        ({"order": "random", "sed": 3}, "data.plant.sed: there is no such field (did you mean 'seed'?)"),
        ({"order": "random", "seed": -1}, "data.plant.seed: input should be greater than or equal to 0, not -1"),
        ({"order": "custom"}, "data.plant.file: is missing"),
        ({"seed": 3}, "data.plant.order: is missing"),
        ("random", "data.plant: must be a mapping of fields, not 'random'"),
        ({"order": "none"}, "data.plant.order: there is no ordering 'none' (write null for none)"),
    ],
)
def test_a_wrong_plant_is_named_beside_other_mistakes(host, plant, expected):
    with pytest.raises(RecipeError) as caught:
        compose(recipe({"plant": plant, "validation_images": 0}), host, "trial")
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == 2
    assert expected in found
    assert any(line.startswith("data.validation_images: ") for line in found)


@pytest.mark.parametrize("kind", [BOXES, MASK])
def test_targets_that_lie_in_the_image_are_refused(kind):
    class Placed(DataSource):
        """Targets with places."""

        name, target_kinds = "placed", (kind,)

        def open(self, seed):
            raise AssertionError("a recipe is refused before data are opened")

    class Placing(Task):
        """Find them."""

        name, target_kinds, headline, Options = "placing", (kind,), "found", ComponentOptions
        build_head = step = build_metrics = None

    host = PluginHost(third_party=False)
    parts = {"register_data_sources": lambda: [Placed], "register_tasks": lambda: [Placing]}
    host.add(SimpleNamespace(**{hook: hookimpl(found) for hook, found in parts.items()}), "placed")
    content = {**recipe(task="placing"), "data": {"name": "placed", "plant": PLANT}}
    with pytest.raises(RecipeError) as caught:
        compose(content, host, "trial")
    (problem,) = caught.value.problems
    assert (problem.path, f"targets of the kind {kind}" in problem.message) == ("data.plant", True)
    compose({**content, "data": "placed"}, host, "trial")


def test_a_chain_that_hides_an_order_is_not_scrambled_again(host):
    with pytest.raises(RecipeError, match=r"data\.plant: planted-chain already hides an order"):
        compose({**recipe(), "data": {"name": "planted-chain", "plant": PLANT}}, host, "trial")


# What a run tells


def figures_of(experiment, order, grid):
    return planted_figures(experiment.planted_order(grid), experiment.data_source.hidden_order(), order, grid)


def test_figures_are_of_the_true_image(host):
    experiment = planted(host, {"order": "column"})
    grid = Grid(2, 3)
    undone = Order([0, 2, 4, 1, 3, 5])
    assert figures_of(experiment, undone, grid).as_dict() == {
        "hidden": [0, 3, 1, 4, 2, 5],  # columns of 2x3
        "adjacency_in_true_image": 4 / 5,  # row-major: all steps except that from 2 to 3
        "kendall_tau_to_undone": pytest.approx(1.0),
    }
    as_seen = figures_of(experiment, Order.identity(6), grid)
    assert as_seen.adjacency_in_true_image == 3 / 5  # 0-3, 1-4 and 2-5
    assert as_seen.kendall_tau_to_undone == pytest.approx(1 - 2 * 3 / 15)  # 3 of 15 pairs reversed


def test_figures_of_a_chain_count_its_neighbours(host):
    data = {"name": "planted-chain", "grid": [2, 3], "order_seed": 1}
    experiment = compose(recipe(backbone={"name": "local", "grid": [2, 3]}, data=data), host, "trial")
    hidden = experiment.data_source.hidden_order()
    first, *rest = hidden.indices.tolist()
    found = figures_of(experiment, Order([*rest, first]), Grid(2, 3))
    assert found.as_dict() == {"hidden": [first, *rest], "restored_neighbours": 4, "of": 5}
    assert figures_of(experiment, Order([0, 1]), Grid(1, 2)) is None  # patches of three pixels hide no order


def test_figures_of_an_order_that_leaves_patches_out(host):
    experiment = planted(host, {"order": "column"})
    # Places 0, 2 and 5 hold the true patches 0, 1 and 5, of which 0 and 1 share an edge.
    found = figures_of(experiment, Order([0, 2, 5], 6), Grid(2, 3))
    assert found.adjacency_in_true_image == 1 / 2
    undone_ranks = {0: 0, 2: 1, 4: 2, 1: 3, 3: 4, 5: 5}
    own_ranks = {0: 0, 2: 1, 5: 2, 1: 6, 3: 6, 4: 6}
    pairs = list(itertools.combinations(range(6), 2))
    signs = [(np.sign(own_ranks[a] - own_ranks[b]), np.sign(undone_ranks[a] - undone_ranks[b])) for a, b in pairs]
    tau = sum(a * b for a, b in signs) / np.sqrt(sum(a * a for a, _ in signs) * len(pairs))
    assert found.kendall_tau_to_undone == pytest.approx(tau)
    backbone = {"name": "local", "patch_size": 1, "dim": 8, "heads": 2}
    content = {**recipe(backbone=backbone), "data": {"name": "planted-chain", "grid": [2, 3], "order_seed": 1}}
    chain = compose(content, host, "trial")
    first, second, third, *_ = chain.data_source.hidden_order().indices.tolist()
    partial = figures_of(chain, Order([second, third, first], 6), Grid(2, 3))
    assert (partial.restored_neighbours, partial.of) == (1, 5)


def test_images_are_not_scrambled_by_an_order_that_leaves_patches_out(host, tmp_path):
    file = tmp_path / "order.json"
    OrderFile("half", Grid(4, 4), Order(list(range(8)), 16)).save(file)
    experiment = planted(host, {"order": "custom", "file": str(file)})
    with pytest.raises(ReorderKitError, match=r"data\.plant: the order leaves out 8 of 16 patches"):
        experiment.open_data()


def test_nothing_is_told_where_nothing_is_hidden(host):
    assert figures_of(compose(recipe(), host, "trial"), Order.identity(16), Grid(4, 4)) is None


def test_a_result_holds_the_figures_of_the_run(host, tmp_path):
    undone = planted(host).planted_order(Grid(4, 4)).inverse()
    OrderFile("undone", Grid(4, 4), undone).save(tmp_path / "undone.json")
    order = {"start": {"file": str(tmp_path / "undone.json")}}
    order_of = run(recipe({"plant": PLANT}, order=order), out=tmp_path / "run", host=host).as_dict()["order"]
    assert order_of["planted"]["adjacency_in_true_image"] == 12 / 15
    assert order_of["planted"]["kendall_tau_to_undone"] == pytest.approx(1.0)
    assert order_of["planted"]["hidden"] == undone.rank.tolist()
    assert order_of["adjacency"] < 12 / 15
    assert json.loads((tmp_path / "run" / "result.json").read_text())["order"] == order_of


def test_scrambled_images_read_in_the_undone_order_train_the_model_of_true_images(host, tmp_path):
    undone = planted(host).planted_order(Grid(4, 4)).inverse()
    OrderFile("undone", Grid(4, 4), undone).save(tmp_path / "undone.json")
    # Without positions by patch the two are indistinguishable.
    backbone = {"name": "local", "grid": [4, 4], "dim": 8, "heads": 2, "positions": "none"}
    train = {"epochs": 2, "device": "cpu"}
    results = [
        run(recipe(data, backbone=backbone, train=train, order=order), out=tmp_path / name, host=host).as_dict()
        for name, data, order in [
            ("true", {}, {}),
            ("undone", {"plant": PLANT}, {"start": {"file": str(tmp_path / "undone.json")}}),
        ]
    ]
    losses = [result["metrics"]["test"]["loss"] for result in results]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert "planted" not in results[0]["order"]
