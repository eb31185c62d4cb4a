"""`reorder-kit bench planted`: trains what is missing, reports, and resumes where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reorder_kit import __version__
from reorder_kit.benchmark.planted_cases import CASES
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.recipe.overrides import override
from says import says

CHAIN = CASES["chain-16"]
SMALL = [
    ("train.epochs", 1),
    ("schedule.warmup_epochs", 0),
    ("data.train_images", 512),
    ("data.validation_images", 50),
    ("data.test_images", 50),
]

THIRD_PARTY = """
from reorder_kit import hookimpl
from reorder_kit.order_learners.softsort import SoftSort, SoftSortPolicy

class Mine(SoftSort):
    \"""A learner of a third party.\"""

    name = "mine"

class Hopeless(SoftSort):
    \"""A learner that spoils the loss.\"""

    name = "hopeless"

    def build_policy(self, context):
        return HopelessPolicy(self.options, context.start)

class HopelessPolicy(SoftSortPolicy):
    def loss(self, passes, batch=None):
        return passes[0].reward.mean() * float("nan")

@hookimpl
def register_order_learners():
    return [Mine, Hopeless]

@hookimpl
def epoch_finished(run, epoch, record):
    print("a plugin says hello")
"""


@pytest.fixture(autouse=True)
def small_case(monkeypatch):
    monkeypatch.setitem(CASES, "small", replace(CHAIN, name="small", sections=override(CHAIN.sections, SMALL)))


@pytest.fixture
def small(cli, install):
    """The command for a small case, with third-party learners."""
    install("mine-dist", {"mine": "mine_module"}, {"mine_module": THIRD_PARTY})
    return lambda *arguments: cli("bench", "planted", "--case", "small", "--seeds", "1", "--jobs", "1", *arguments)


@pytest.mark.slow
def test_what_can_be_trained_is_kept_and_reported(small, tmp_path):
    failed = small("--learner", "hopeless", "--learner", "mine", "--json")
    assert failed.exit_code == 2
    # The output of plugins is not included.
    assert json.loads(failed.stdout)["error"].startswith(
        "small, hopeless from scrambled, seed 0: the loss became NaN or infinite"
    )
    assert [line.partition(":")[0] for line in failed.stderr.splitlines() if "/4 " in line] == [
        "1/4 small, scrambled, seed 0",
        "2/4 small, undone, seed 0",
        "3/4 small, mine from scrambled, seed 0",
    ]

    done = small("--learner", "mine", "--json", "--figures", "pictures")
    assert done.exit_code == 0
    assert done.stderr == "wrote pictures/planted-small.png\n"  # nothing was trained again
    found = json.loads(done.stdout)
    assert (found["split"], found["seeds"]) == ("test", 1)
    (case,) = found["cases"]
    assert case["reach"] == {"slots": 16, "of": 16, "is_selection": False}
    names = [(row["order"], row["learner"]) for row in case["rows"]]
    assert names == [("scrambled", None), ("undone", None), ("scrambled", "mine")]
    scrambled, undone, _ = (row["neighbours"]["mean"] for row in case["rows"])
    assert scrambled < 0.5
    assert undone == 1.0
    assert (tmp_path / "pictures" / "planted-small.png").exists()

    lines = small("--learner", "mine", "--split", "validation").stdout.splitlines()
    assert lines[0] == "Accuracy on validation images, of 1 seed."
    assert [line.split("   ")[0].strip() for line in lines[-3:]] == ["scrambled", "undone", "mine from scrambled"]

    ledger = tmp_path / "planted.jsonl"
    lines = [with_checksum({**json.loads(line), "version": "0.0.9"}) for line in ledger.read_text().splitlines()]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    older = small("--learner", "mine", "--json")
    assert says(older.stderr, "reorder-kit 0.0.9", __version__, "may not be comparable")
    assert json.loads(older.stdout) == found

    other = small("--learner", "mine", "--set", "mine.lr=0.7")
    assert other.exit_code == 2
    assert "mine from scrambled, seed 0 was trained with other settings" in other.stderr
    assert "these fields differ: order.learner.lr" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "chain-61"], "hint: did you mean 'chain-64'?"),
        (["--learner", "sofsort"], "hint: did you mean 'softsort'?"),
        (["--learner", "softsort", "--set", "softsort.lrr=1"], "lrr: there is no such field (did you mean 'lr'?)"),
        (["--learner", "softsort", "--set", "reinforce.lr=1"], "write LEARNER.OPTION=VALUE"),
        (["--learner", "softsort", "--set", "softsort=1"], "write LEARNER.OPTION=VALUE"),
        (["--learner", "softsort", "--out", "trial.yaml"], "trial.yaml: line 1 is not a valid record"),
    ],
)
def test_mistakes_are_told_in_words_before_anything_is_trained(cli, tmp_path, arguments, message):
    before = sorted(tmp_path.iterdir())
    done = cli("bench", "planted", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert sorted(tmp_path.iterdir()) == before
