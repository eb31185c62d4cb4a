"""What fits together and what does not, and the recipes of controls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import yaml
from pydantic import Field, model_validator

from reorder_kit import hookimpl
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    CLASS,
    MASK,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    Ordering,
    OrderingOptions,
    OrderLearner,
    Sample,
    ScoringPrior,
    SupervisedTask,
    Unreadable,
    require_no_leaks,
)
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

CONTROLS = ("fixed-start", "learned-static", "null-reward", "random-fixed", "random-per-batch")


class Masks(DataSource):
    """Images with masks."""

    name = "masks"
    target_kinds = (MASK,)

    def open(self, seed):
        raise AssertionError("a recipe is refused before data are opened")


class NextPatch(SupervisedTask):
    """Predict each patch from those before it."""

    name = "next-patch"
    target_kinds = (CLASS,)
    headline = "bits"

    def check(self, facts, policy):
        require_no_leaks(policy, "it would see the patches it predicts")

    def build_head(self, context):
        raise AssertionError("a recipe is refused before a head is built")

    def loss_per_image(self, outputs, targets):
        raise AssertionError("a recipe is refused before anything is trained")

    def build_metrics(self, context):
        raise AssertionError("a recipe is refused before anything is measured")


class Mixing(OrderLearner):
    """Mixes patches unless told not to."""

    name = "mixing"
    uses_reward = False

    class Options(ComponentOptions):
        hard: bool = Field(False, description="do not mix")

    def build_policy(self, context):
        policy = FixedOrder(context.start)
        policy.mixes = not self.options.hard
        return policy


class BrightLast(ScoringPrior):
    """The mean pixel of the last patch."""

    name = "bright-last"

    class Options(ComponentOptions):
        sign: int = Field(1, description="1: bright, -1: dark")

    def score(self, patches, orders):
        type(self).seen = patches
        return {name: self.options.sign * float(order.apply(patches)[:, -1].mean()) for name, order in orders.items()}


class Shift(Ordering):
    """Row-major, from a patch that has to be given."""

    name = "shift"

    class Options(OrderingOptions):
        by: int = Field(description="patches")

    def cells(self, height, width):
        raise AssertionError("a prior cannot choose what needs options")


class Either(Ordering):
    """A rule whose options are right only together."""

    name = "either"

    class Options(OrderingOptions):
        a: int | None = Field(None, description="one")
        b: int | None = Field(None, description="the other")

        @model_validator(mode="after")
        def _one(self):
            if self.a is None and self.b is None:
                raise ValueError("give a or b")
            return self

    def cells(self, height, width):
        raise AssertionError("a prior cannot choose what needs options")


class FourPatches:
    """Black 2x2 images but for one corner; every third file cannot be read."""

    def __init__(self, bright_corner):
        self.bright_corner = bright_corner

    def __len__(self):
        return 300

    def __getitem__(self, index):
        if index % 3 == 0:
            return Unreadable("broken.png", "truncated")
        image = torch.zeros(1, 4, 4)
        row, column = divmod(self.bright_corner, 2)
        image[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 1.0
        return Sample(image, 0)


def splits(bright_corner):
    samples = FourPatches(bright_corner)
    return DataSplits(ImageShape(1, 4, 4), ["a"], samples, samples, samples)


@pytest.fixture
def host():
    host = PluginHost(third_party=False)
    components = {
        "register_data_sources": [Masks],
        "register_tasks": [NextPatch],
        "register_order_learners": [Mixing],
        "register_priors": [BrightLast],
        "register_orderings": [Shift, Either],
    }
    for hook, found in components.items():
        record = host.add(SimpleNamespace(**{hook: hookimpl(lambda found=found: found)}), hook)
        assert record.status == "ok", record.reason
    return host


def recipe(**sections):
    backbone = {"name": "local", "patch_size": 2}
    return {"format_version": 1, "name": "trial", "data": "digits", "backbone": backbone, **sections}


def problems(host, **sections):
    with pytest.raises(RecipeError) as caught:
        compose(recipe(**sections), host, "trial")
    return list(map(str, caught.value.problems))


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
    # Where only the data tells the shape of images, building it says so.
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
        ({}, ["fixed-start"], "controls: fixed-start needs a learner to be compared with"),
        ({}, ["learned-static"], "controls: learned-static needs a learner to be compared with"),
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


# On a 2x2 grid, row (0 1 2 3) ends in the corner 3, and spiral (0 1 3 2) in the corner 2.
@pytest.mark.parametrize("corner", [2, 3])
def test_a_prior_gets_the_patches_of_readable_training_images_and_chooses(host, corner):
    experiment = compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial")
    start = experiment.starting_order(Grid(2, 2), splits(corner), no_influence)
    seen = BrightLast.seen

    # 256 samples are looked at, of which about a third cannot be read.
    assert 150 < len(seen) < 190
    assert seen.shape[1:] == (4, 4)
    assert seen.mean(dim=(0, 2)).tolist() == [float(patch == corner) for patch in range(4)]
    assert start.indices[-1] == corner


def test_a_prior_obeys_its_options(host):
    start = {"prior": {"name": "bright-last", "sign": -1}}
    order = compose(recipe(order={"start": start}), host, "trial").starting_order(Grid(2, 2), splits(3), no_influence)
    assert order.indices[-1] != 3


def test_a_prior_chooses_only_among_orderings_that_need_no_options(host):
    candidates = compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial").start.candidates
    assert {"row", "column", "hilbert", "random"} <= set(candidates)
    assert not {"custom", "shift", "either"} & set(candidates)


def test_an_ordering_that_cannot_be_built_is_no_candidate_and_stops_nothing(host):
    class Broken(Ordering):
        name = "broken"

        def __init__(self, options=None):
            raise FileNotFoundError("its table is missing")

        def cells(self, height, width):
            raise AssertionError

    host.orderings.add(Broken, "a test")
    compose(recipe(), host, "trial")
    assert "broken" not in compose(recipe(order={"start": {"prior": "bright-last"}}), host, "trial").start.candidates


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"name": "lzma", "tokenizer": "pixel"}, "order.start.prior.tokenizer.name: there is no tokenizer 'pixel'"),
        ({"name": "lzma", "levels": 4}, "order.start.prior.levels: there is no such field"),
        ({"name": "zstd", "tokenizer": "vq-vae"}, "order.start.prior.tokenizer.file: is missing"),
        (
            {"name": "lzma", "tokenizer": {"name": "pixels", "level": 4}},
            "order.start.prior.tokenizer.level: there is no such field (did you mean 'levels'?)",
        ),
        (
            {"name": "bright-last", "tokenizer": "pixels"},
            "order.start.prior.tokenizer: there is no such field",
        ),
        ({"name": "lzma", "tokenizer": 3}, "order.start.prior.tokenizer: has to be a mapping of fields, not 3"),
    ],
)
def test_what_is_wrong_with_a_tokenizer_is_told(host, prior, message):
    (problem,) = problems(host, order={"start": {"prior": prior}})
    assert problem.startswith(message)


def test_a_prior_of_tokens_gets_its_tokenizer_with_its_options_or_pixels(host):
    shape, grid = ImageShape(1, 4, 4), Grid(2, 2)
    chosen = compose(
        recipe(order={"start": {"prior": {"name": "lzma", "tokenizer": {"name": "pixels", "levels": 4}}}}),
        host,
        "trial",
    )
    usual = compose(recipe(order={"start": {"prior": "lzma"}}), host, "trial")
    assert [each.start.build(shape, grid).tokenizer.vocabulary for each in (chosen, usual)] == [4, 16]
    assert chosen.resolved()["order"]["start"]["prior"]["tokenizer"] == {"name": "pixels", "levels": 4}


# The resolved recipe


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"start": {"name": "random", "seed": 3}, "learner": "softsort"},
        {
            "start": {"prior": "bright-last"},
            "learner": {"name": "reinforce", "temperature": {"shape": "linear", "final": 0.1}},
        },
        {"start": {"prior": {"name": "lzma", "tokenizer": {"name": "vq-vae", "file": "vq.safetensors"}}}},
        {"start": {"file": "order.json"}, "control": "random-per-batch"},
    ],
)
def test_a_resolved_recipe_composes_to_itself(host, order):
    first = compose(recipe(order=order, backbone={"name": "vit", "size": "tiny", "patch_size": [2, 4]}), host, "trial")
    again = compose(first.resolved(), host, "resolved")
    assert again.resolved() == first.resolved()
    assert again.recipe.order.control == first.recipe.order.control


def test_a_resolved_recipe_writes_out_every_default(host):
    content = compose(recipe(order={"learner": "softsort"}), host, "trial").resolved()
    assert content["backbone"]["window"] == 2
    defaults = {"batch_size": 64, "workers": 0, "plant": None, "shuffle_targets": False, "validation_images": 100}
    assert content["data"] == {"name": "digits", **defaults}
    assert content["order"]["start"] == {"name": "row", "transpose": False, "flip": "none", "reverse": False}
    assert content["order"]["learner"]["temperature"].keys() == {"shape", "initial", "final"}
    assert content["optimizer"]["betas"] == [0.9, 0.999]
    assert content["train"]["epochs"] == 10


def test_a_resolved_recipe_is_plain_data(host):
    content = compose(recipe(order={"start": {"file": "order.json"}}), host, "trial").resolved()
    assert yaml.safe_load(yaml.safe_dump(content)) == content
