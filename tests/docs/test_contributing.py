"""Every example in CONTRIBUTING.md works unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from reorder_kit.interfaces import CLASS, ImageShape, LearnerContext, Pass, PatchSequence, Progress
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.testing import (
    check_backbone,
    check_data_source,
    check_order_learner,
    check_ordering,
    check_prior,
    check_task,
    check_tokenizer,
)

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
EXAMPLES = {
    title: re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for title, text in SECTIONS.items()
}
KINDS = {
    "An ordering": "ordering",
    "An order-learner": "order-learner",
    "A backbone": "backbone",
    "A task": "task",
    "A data source": "data-source",
    "A prior": "prior",
    "A tokenizer": "tokenizer",
    "A run-event listener": None,
}


def example(title):
    (source,) = EXAMPLES[title]
    return source


def test_there_is_one_example_in_each_section_and_no_other_python():
    assert list(SECTIONS) == list(KINDS)
    assert all(len(examples) == 1 for examples in EXAMPLES.values())
    assert TEXT.count("```python") == len(KINDS)


@pytest.mark.parametrize("title", KINDS)
def test_an_example_works(load, title):
    plugin = load(example(title))
    assert [kind for kind, _ in plugin.provides] == ([KINDS[title]] if KINDS[title] else [])
    plugin.use()


CHECKS = {
    "An ordering": lambda component: check_ordering(component, {"first": "light"}),
    "An order-learner": check_order_learner,
    "A backbone": lambda component: check_backbone(component, {"patch_size": 4, "dim": 8}),
    "A task": check_task,
    "A data source": check_data_source,
    "A prior": check_prior,
    "A tokenizer": lambda component: check_tokenizer(component, {"least": 0.5}),
}


@pytest.mark.parametrize("title", CHECKS)
def test_an_example_keeps_the_contract_of_its_kind(load, title):
    plugin = load(example(title))
    ((kind, name),) = plugin.provides
    CHECKS[title](plugin.host.registries[f"{kind}s"].get(name))


@pytest.mark.parametrize("title", KINDS)
def test_an_example_names_a_file_of_its_folder(title):
    folder, file = re.match(r"\s*`([\w/]+)/(\w+)\.py`", SECTIONS[title]).groups()
    assert folder == "my_package" or (ROOT / folder).is_dir()
    name = re.search(r'^    name = "(.+)"', example(title), re.MULTILINE)
    assert name is None or name[1] == file.replace("_", "-")


def test_a_kind_of_component_is_made_of_at_most_six_files_that_exist():
    files = re.findall(r"^\d\. `(.+?)`:", TEXT.partition("## Add a kind of component\n")[2], re.MULTILINE)
    assert 0 < len(files) <= 6
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_ordering_is_a_checkerboard(load):
    rule = load(example("An ordering")).host.orderings.get("checkerboard")
    # 0 1 2 / 3 4 5: dark are 0 2 4, light are 1 3 5.
    assert rule().order(Grid(2, 3)).indices.tolist() == [0, 2, 4, 1, 3, 5]
    assert rule(rule.Options(first="light")).order(Grid(2, 3)).indices.tolist() == [1, 3, 5, 0, 2, 4]


@pytest.fixture
def policy(load):
    learner = load(example("An order-learner")).host.order_learners.get("gaussian-scores")
    return learner().build_policy(LearnerContext(Order([2, 0, 3, 1]), Grid(2, 2), 8, 1, CLASS, ["a", "b"]))


SEQUENCE = PatchSequence(torch.zeros(32, 4, 8), Grid(2, 2))


def test_the_learner_starts_from_the_start(policy):
    assert policy.best_order() == Order([2, 0, 3, 1])


def test_a_constant_reward_teaches_the_learner_nothing(policy):
    # Nor do several passes that earn different constants.
    passes = [Pass((policy.propose(SEQUENCE),), torch.full((32,), reward)) for reward in (0.3, -5.0)]
    policy.loss(passes).backward()
    assert policy.scores.grad.abs().max() == 0


def test_the_learner_finds_what_is_rewarded(policy):
    optimizer = policy.build_optimizer()
    for step in range(300):
        policy.advance(Progress(step, 300, 1, stream=step))
        proposal = policy.propose(SEQUENCE)
        slot_of_patch_1 = proposal.order.rank[:, 1].float()
        optimizer.zero_grad()
        policy.loss([Pass((proposal,), -slot_of_patch_1[proposal.order.groups])]).backward()
        optimizer.step()
    assert policy.best_order().indices[0] == 1


@torch.no_grad()
def test_the_backbone_can_be_split_and_sees_no_padding(load):
    kind = load(example("A backbone")).host.backbones.get("fading-memory")
    backbone = kind(kind.Options(patch_size=2), ImageShape(1, 8, 8)).eval()
    sequence = backbone.tokenize(torch.randn(3, 1, 8, 8))
    whole = backbone.encode(sequence).sequence.patches
    halves = backbone.encode(backbone.encode(sequence, stop=1).sequence, start=1).sequence.patches
    torch.testing.assert_close(halves, whole)

    valid = torch.ones(3, 16, dtype=torch.bool)
    valid[:, [4, 9, 15]] = False
    padded = backbone.summarize(backbone.encode(PatchSequence(sequence.patches, sequence.grid, valid=valid)))
    alone = backbone.summarize(backbone.encode(PatchSequence(sequence.patches[:, valid[0]], sequence.grid)))
    torch.testing.assert_close(padded, alone)


def test_the_reward_of_the_task_is_a_probability(load):
    task = load(example("A task")).host.tasks.get("one-versus-rest")()
    outputs, targets = torch.tensor([[0.0, 2.0], [-1.0, 0.0]]), torch.tensor([1, 1])
    loss = task.loss_per_image(outputs, targets)
    # softplus(0) and softplus(-2); softplus(-1) and softplus(0)
    torch.testing.assert_close(loss, torch.tensor([(0.693147 + 0.126928) / 2, (0.313262 + 0.693147) / 2]))
    torch.testing.assert_close(task.reward_per_image(outputs, targets, loss), torch.tensor([0.880797, 0.5]))


def test_the_stripes_can_be_learned(load):
    plugin = load(example("A data source"))
    result = plugin.run(
        data={"name": "stripes", "batch_size": 20, "noise": 0.1},
        optimizer={"lr": 0.01},
        train={"epochs": 4, "device": "cpu"},
    )
    assert result["metrics"]["test"]["top1"] > 0.9


def test_the_prior_puts_detail_last(load):
    prior = load(example("A prior")).host.priors.get("detail-last")(None, ImageShape(1, 2, 6), Grid(1, 3))
    patches = torch.zeros(2, 3, 4)
    patches[:, 1, ::2] = 1.0
    scores = prior.score(patches, {"last": Order([0, 2, 1]), "middle": Order([0, 1, 2]), "first": Order([1, 0, 2])})
    assert scores == pytest.approx({"last": 1.0, "middle": 0.5, "first": 0.0})
    patches[1] = 0
    each = prior.score_per_image(patches.split(1), {"last": Order([0, 2, 1])})
    assert each["last"].tolist() == pytest.approx([1.0, 0.0])


def test_the_tokenizer_tells_which_way_lines_run(load):
    kind = load(example("A tokenizer")).host.tokenizers.get("edges")
    tokenizer = kind(kind.Options(), ImageShape(1, 4, 8), Grid(1, 2))
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0])
    flat, rows, columns = torch.zeros(4, 4), stripes[:, None].expand(4, 4), stripes.expand(4, 4)
    # Neither of the two steps across a patch's border, into stripes and out of them, outweighs the lines inside.
    patches = torch.stack(
        [torch.stack([rows.flatten(), flat.flatten()]), torch.stack([columns.flatten(), flat.flatten()])]
    )
    assert tokenizer.tokens(patches).tolist() == [[[1], [0]], [[2], [0]]]
    assert kind(kind.Options(least=5.0), ImageShape(1, 4, 8), Grid(1, 2)).tokens(patches).max() == 0


def test_the_listener_writes_a_table_of_changes(load):
    plugin = load(example("A run-event listener"))
    plugin.run(
        order={"learner": {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1, "lr": 1.0}},
        train={"epochs": 2, "device": "cpu"},
    )
    header, *rows = (plugin.folder / "changes.csv").read_text().splitlines()
    assert header == "epoch,patches_moved"
    assert rows
    epoch, moved = map(int, rows[0].split(","))
    start, first = ((plugin.folder / "orders" / f"{name}.json") for name in ("start", "epoch-0001"))
    assert epoch == 1
    assert start.read_text() != first.read_text()
    assert 2 <= moved <= 16
