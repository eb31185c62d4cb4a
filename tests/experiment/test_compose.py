"""Compatible and incompatible parts, and the recipes of controls."""

from __future__ import annotations

import pytest

from compose_cases import host_of_cases, problems, recipe, splits
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.interfaces import (
    ImageShape,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

CONTROLS = ("fixed-start", "learned-static", "null-reward", "random-fixed", "random-per-batch")


@pytest.fixture
def host():
    return host_of_cases()


# What fits


def test_the_parts_of_a_recipe_come_with_their_options(host):
    order = {"start": {"name": "spiral", "reverse": True}, "learner": {"name": "reinforce", "groups": 4}}
    experiment = compose(
        recipe(
            order=order,
            data={"name": "digits", "batch_size": 10, "validation_images": 7},
            task={"name": "classification", "label_smoothing": 0.1},
        ),
        host,
        "trial",
    )
    assert experiment.data_source.options.validation_images == 7
    assert experiment.recipe.data.batch_size == 10
    assert experiment.task.options.label_smoothing == 0.1
    assert experiment.backbone.name == "local"
    assert experiment.backbone_options.patch_size == 2
    assert experiment.learner.options.groups == 4
    # 2x2 spiral: 0 1 3 2
    assert experiment.starting_order(Grid(2, 2), splits(0), no_influence).indices.tolist() == [2, 3, 1, 0]


def test_a_recipe_without_task_and_order_classifies_in_row_order(host):
    experiment = compose(recipe(), host, "trial")
    assert experiment.task.name == "classification"
    assert experiment.learner is None
    assert experiment.starting_order(Grid(2, 3), splits(0), no_influence).indices.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_order_of_a_file_is_a_start(host, tmp_path):
    OrderFile("mine", Grid(2, 2), Order([3, 1, 0, 2])).save(tmp_path / "order.json")
    experiment = compose(recipe(order={"start": {"file": str(tmp_path / "order.json")}}), host, "trial")
    assert experiment.starting_order(Grid(2, 2), splits(0), no_influence).indices.tolist() == [3, 1, 0, 2]


def test_a_backbone_that_does_not_fit_the_images_is_named(host):
    (found,) = problems(host, backbone={"name": "local", "patch_size": 3})
    assert found.startswith("backbone: 'local': an image of 8x8 pixels")
    # If only the data gives the image shape, the error comes when it is built.
    experiment = compose(recipe(backbone={"name": "local", "patch_size": 2}), host, "trial")
    with pytest.raises(ReorderKitError, match=r"^backbone 'local': an image of 9x9 pixels"):
        experiment.build_backbone(ImageShape(1, 9, 9))


# What does not


@pytest.mark.parametrize(
    ("order", "controls", "expected"),
    [
        (
            {"control": "null-reward"},
            [],
            "order.control: null-reward needs a learner that learns from the reward; the learner is none",
        ),
        (
            {"learner": "softsort", "control": "null-reward"},
            [],
            "order.control: null-reward needs a learner that learns from the reward; the learner is softsort",
        ),
        (
            {"learner": "softsort"},
            ["null-reward"],
            "controls: null-reward needs a learner that learns from the reward; the learner is softsort",
        ),
        ({}, ["fixed-start"], "controls: fixed-start needs a learner to compare with"),
        ({}, ["learned-static"], "controls: learned-static needs a learner to compare with"),
    ],
)
def test_a_control_that_would_control_nothing_is_refused(host, order, controls, expected):
    (found,) = problems(host, order=order, controls=controls)
    assert found.startswith(expected)


@pytest.mark.parametrize("control", ["none", "null-reward", "random-fixed", "random-per-batch"])
def test_reinforce_goes_with_every_control(host, control):
    compose(recipe(order={"learner": "reinforce", "control": control}), host, "trial")
    assert compose(recipe(order={"learner": "reinforce"}, controls=CONTROLS), host, "t").recipe.controls == CONTROLS


def test_random_controls_need_no_learner(host):
    assert compose(recipe(controls=["random-fixed", "random-per-batch"]), host, "trial").learner is None


def test_a_task_that_needs_other_targets_is_refused_before_data_are_opened(host):
    assert problems(host, data="masks") == [
        "task.name: classification needs targets of the kind class, but data source masks has mask"
    ]


def test_an_autoregressive_task_refuses_a_learner_that_mixes_patches(host):
    (found,) = problems(host, task="next-patch", order={"learner": "mixing"})
    assert found.startswith("task: next-patch: the order-learner mixes patches: it would see the patches it predicts")


def test_an_autoregressive_task_takes_a_learner_that_does_not_mix(host):
    experiment = compose(recipe(task="next-patch", order={"learner": {"name": "mixing", "hard": True}}), host, "trial")
    assert experiment.learner.options.hard


def test_an_autoregressive_task_takes_softsort_straight_through_only(host):
    assert len(problems(host, task="next-patch", order={"learner": "softsort"})) == 1
    straight = {"name": "softsort", "straight_through": True}
    compose(recipe(task="next-patch", order={"learner": straight}), host, "trial")


@pytest.mark.parametrize(
    ("task", "options", "straight"),
    [
        ("segmentation", {}, True),
        ("segmentation", {"straight_through": False}, False),
        ("classification", {}, False),
        ("classification", {"straight_through": True}, True),
    ],
)
def test_a_soft_learner_moves_whole_patches_for_a_task_that_looks_at_places(host, task, options, straight):
    data = {"segmentation": "scenes", "classification": "digits"}[task]
    learner = {"name": "gumbel-sinkhorn", "lr": 0.5, **options}
    experiment = compose(recipe(data=data, task=task, order={"learner": learner}), host, "trial")
    assert experiment.learner.options.straight_through == straight
    assert experiment.learner.options.lr == 0.5
    again = compose(experiment.resolved(), host, "resolved")
    assert again.learner.options == experiment.learner.options


def test_all_misfits_are_listed(host):
    found = problems(
        host,
        data="masks",
        task="next-patch",
        order={"learner": "mixing", "control": "null-reward"},
        controls=["null-reward"],
    )
    assert [line.split(":")[0] for line in found] == [
        "task.name",
        "order.control",
        "controls",
        "controls",
    ]


def test_misfits_are_listed_beside_other_mistakes(host):
    found = problems(host, controls=["fixed-start"], trian={"epochs": 3})
    assert [line.split(":")[0] for line in found] == ["trian", "controls"]


# Priors
