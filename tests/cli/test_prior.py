"""`reorder-kit prior`: which ordering a prior would start from; and a run that starts from it."""

from __future__ import annotations

import json
import math
import re

import pytest

from reorder_kit.layers.vq_vae import VqVae
from reorder_kit.priors.lzma import Lzma
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.run_words import start_of
from reorder_kit.runs.run_folder import RunFolder
from says import says


def ranked(cli, *arguments):
    done = cli("prior", "trial.yaml", "--images", 100, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_json_holds_every_ordering_from_the_best_to_the_worst(cli):
    found = ranked(cli)
    assert found["prior"] == {
        "name": "lzma",
        "tokens": "unigram",
        "prefer": "most",
        "tokenizer": {"name": "pixels", "levels": 16},
    }
    assert (found["name"], found["grid"], found["images"], found["measure"]) == ("trial", [4, 4], 100, "% saved")
    names = [ordering["name"] for ordering in found["orderings"]]
    assert {"row", "column", "hilbert", "spiral", "random"} <= set(names)
    assert "custom" not in names
    means = [ordering["score"]["mean"] for ordering in found["orderings"]]
    assert means == sorted(means, reverse=True)
    assert found["best"] == names[0]
    for ordering in found["orderings"]:
        assert ordering["score"]["low"] < ordering["score"]["mean"] < ordering["score"]["high"]
        assert ordering["behind"]["mean"] == pytest.approx(means[0] - ordering["score"]["mean"])
    assert ranked(cli) == found


def test_chosen_orderings_and_order_files_are_compared(cli, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"name": "mine", "grid": [4, 4], "order": list(range(16))}))
    found = ranked(cli, "--orderings", "row", "--orderings", "mine.json", "--prior", "conditional-entropy")
    assert found["prior"]["name"] == "conditional-entropy"
    row, mine = sorted(found["orderings"], key=lambda ordering: ordering["name"] != "row")
    assert row["score"] == mine["score"]
    assert found["verdict"].startswith("The ranking is within noise")


def test_the_recipes_own_prior_and_its_options_are_used(cli):
    start = "order.start={prior: {name: lzma, tokenizer: {name: pixels, levels: 4}, prefer: least}}"
    expected = {
        "name": "lzma",
        "tokens": "unigram",
        "prefer": "least",
        "tokenizer": {"name": "pixels", "levels": 4},
    }
    least = ranked(cli, "--set", start)
    assert least["prior"] == expected
    assert ranked(cli, "--set", start, "--prior", "lzma")["prior"] == expected
    other = ranked(cli, "--set", start, "--prior", "conditional-entropy", "--orderings", "row")
    assert (other["prior"]["name"], other["prior"]["tokenizer"]["levels"]) == ("conditional-entropy", 16)
    most = ranked(cli, "--set", start.replace("least", "most"))
    assert most["best"] == least["orderings"][-1]["name"]


def test_the_table_ends_with_words(cli):
    lines = cli(
        "prior", "trial.yaml", "--images", 50, "--orderings", "row", "--orderings", "spiral"
    ).stdout.splitlines()
    assert says(lines[0], "lzma", "pixels", "50 training images", "trial.yaml", "4x4 patches", "95%")
    assert lines[2].split() == ["%", "saved", "behind", "the", "best"]
    assert {lines[3].split()[0], lines[4].split()[0]} == {"row", "spiral"}
    assert lines[-1].endswith("on 50 images.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trial.yaml", "--prior", "lmza"], "there is no prior 'lmza'\n  hint: did you mean 'lzma'?"),
        (["trial.yaml", "--orderings", "hilbrt"], "hint: did you mean 'hilbert'?"),
        (["trial.yaml", "--orderings", "small.json"], "small.json holds an order for the grid 1x3, not for 4x4"),
        (["trial.yaml", "--orderings", "partial.json"], "partial.json: a partial order is small because it leaves"),
        (
            ["trial.yaml", "--set", "order.start={prior: {name: lzma, tokenizer: {name: pixels, levels: 1}}}"],
            "order.start.prior.tokenizer.levels: input should be greater than or equal to 2, not 1",
        ),
        (["trial.yaml", "--images", "1"], "--images"),
        (["nowhere.yaml"], "nowhere.yaml: neither a file nor a shipped recipe"),
    ],
)
def test_mistakes_are_told_in_words(cli, tmp_path, arguments, message):
    (tmp_path / "small.json").write_text(json.dumps({"name": "small", "grid": [1, 3], "order": [2, 0, 1]}))
    (tmp_path / "partial.json").write_text(json.dumps({"name": "partial", "grid": [4, 4], "order": [2, 0]}))
    done = cli("prior", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


FIT = ("--fit-vq", "--vq-codes", 12, "--vq-steps", 40, "--images", 60)


@pytest.mark.slow
def test_a_vq_vae_is_trained_told_of_and_used(cli, tmp_path):
    found = ranked(cli, *FIT, "--orderings", "row", "--orderings", "random")
    file = tmp_path / "tokenizers" / "trial.safetensors"
    assert found["prior"]["tokenizer"] == {"name": "vq-vae", "file": str(file)}
    assert VqVae.load(file).config.codes == found["vq"]["codes"] == 12
    # The recipe has 100 validation images, of which 60 are used.
    assert (found["vq"]["file"], found["vq"]["images"]) == ("tokenizers/trial.safetensors", 60)
    assert 1 <= found["vq"]["perplexity"] <= found["vq"]["used"] <= 12
    assert 0 < found["vq"]["error"] < found["vq"]["baseline"]

    again = ranked(cli, "--vq", file, "--images", 60, "--orderings", "row", "--orderings", "random")
    assert again["orderings"] == found["orderings"]
    assert "vq" not in again
    pixels = ranked(cli, "--images", 60, "--orderings", "row", "--orderings", "random")
    assert pixels["orderings"] != found["orderings"]


@pytest.mark.slow
def test_training_again_writes_another_file_of_the_same_content(cli, tmp_path):
    for file in ("tokenizers/trial.safetensors", "tokenizers/trial-2.safetensors", "tokenizers/trial-3.safetensors"):
        assert ranked(cli, *FIT, "--orderings", "row")["vq"]["file"] == file
    contents = {file.read_bytes() for file in (tmp_path / "tokenizers").iterdir()}
    assert len(contents) == 1
    other = ranked(cli, *FIT, "--orderings", "row", "--set", "seed=1", "--vq-out", "mine/other.safetensors")
    assert (tmp_path / "mine" / "other.safetensors").read_bytes() not in contents
    assert other["vq"]["file"] == "mine/other.safetensors"


def test_a_table_of_codes_says_how_good_they_are(cli):
    start = "order.start={prior: {name: zstd, tokens: bigram}}"
    done = cli("prior", "trial.yaml", *FIT, "--vq-side", 2, "--set", start, "--vq-out", "vq.safetensors")
    first, second = done.stdout.splitlines()[:2]
    assert re.fullmatch(
        r"The VQ-VAE in vq.safetensors: on 60 held-out images it uses \d+ of 12 codes \(perplexity \d+\.\d\), and its "
        r"squared error is 0\.\d+ of that of the mean image\.",
        first,
    )
    assert says(second, "zstd", "vq-vae", "60 training images", "trial.yaml", "4x4 patches", "95%")
    assert "training a VQ-VAE of 12 codes for 40 steps" in done.stderr


@pytest.mark.slow
def test_a_run_starts_from_what_the_codes_say(cli, tmp_path):
    ranked(cli, *FIT, "--vq-out", "vq.safetensors", "--orderings", "row")
    best = ranked(cli, "--vq", "vq.safetensors", "--images", 256)["best"]
    start = "order.start={prior: {name: lzma, tokenizer: {name: vq-vae, file: vq.safetensors}}}"
    done = cli("run", "trial.yaml", "--set", start, "--set", "controls=[]")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "trial"
    result = json.loads((folder / "result.json").read_text())
    assert result["order"]["prior"] == {"name": "lzma", "chosen": best}
    assert f"file: {tmp_path / 'vq.safetensors'}" in (folder / "recipe.yaml").read_text()

    # The codes are those of 2x2 pixels, and a run with other patches says so before it trains.
    done = cli("run", "trial.yaml", "--set", start, "--set", "backbone.patch_size=4")
    assert (done.exit_code, done.exception.code) == (2, 2)
    assert "vq.safetensors: made for patches of 1x2x2, channels first, not 1x4x4" in done.stderr
    assert not (tmp_path / "runs" / "trial-2").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vq", "nowhere.safetensors"], "nowhere.safetensors: cannot be read as safetensors: No such file"),
        (["--vq", "trial.yaml"], "trial.yaml: cannot be read as safetensors"),
        (["--vq", "vq.safetensors", "--fit-vq"], "--vq names a VQ-VAE, and --fit-vq trains one"),
        (["--vq-codes", "9"], "--vq-codes has no effect without --fit-vq"),
        (["--fit-vq", "--vq-codes", "1"], "codes: input should be greater than or equal to 2, not 1"),
        (["--fit-vq", "--vq-side", "3"], "3x3 codes do not divide a patch of 2x2 pixels"),
        (["--fit-vq", "--vq-out", "trial.yaml/vq.safetensors"], "trial.yaml: cannot be written: "),
        (["--fit-vq", "--vq-out", "."], "cannot be written: it is a folder"),
        (["--prior", "conditional-entropy", "--fit-vq", *FIT[3:], "--vq-codes", "2000"], "'vq-vae' has 2,000 tokens"),
    ],
)
def test_mistakes_with_a_vq_vae_are_told_in_words(cli, arguments, message):
    done = cli("prior", "trial.yaml", *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr


def test_a_prior_of_pixels_has_no_use_for_codes(cli, install):
    source = """
from reorder_kit import hookimpl
from reorder_kit.interfaces import ScoringPrior

class First(ScoringPrior):
    name = "first"

    def score(self, patches, orders):
        return {name: float(order.indices[0]) for name, order in orders.items()}

@hookimpl
def register_priors():
    return [First]
"""
    install("first-dist", {"first": "first_prior"}, {"first_prior": source})
    for option in (["--fit-vq"], ["--vq", "vq.safetensors"]):
        done = cli("prior", "trial.yaml", "--prior", "first", *option)
        assert done.exit_code == 2
        assert "first looks at pixels, not at tokens" in done.stderr
    done = cli("prior", "trial.yaml", "--prior", "first", "--images", 50)
    assert done.stdout.startswith("first on 50 training images of trial.yaml")


def test_a_run_starts_from_what_the_prior_chose_and_says_so(cli, monkeypatch, tmp_path):
    done = cli("run", "trial.yaml", "--set", "order.start={prior: lzma}", "--set", "controls=[fixed-start]")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "trial"
    result = json.loads((folder / "result.json").read_text())
    # The run uses 256 images.
    best = json.loads(cli("prior", "trial.yaml", "--images", 256, "--json").stdout)["best"]
    assert result["order"]["prior"] == {"name": "lzma", "chosen": best}
    shown = json.loads(cli("show-order", best, "--grid", "4x4", "--json").stdout)
    assert result["order"]["start"] == shown["order"]
    control = json.loads((folder / "controls" / "fixed-start" / "result.json").read_text())
    assert control["order"]["start"] == shown["order"]
    assert control["order"]["prior"] == result["order"]["prior"]
    assert f"The prior lzma chose {best} as the start." in done.stdout
    assert "name: lzma" in (folder / "recipe.yaml").read_text()

    # A resumed run keeps its start, whatever the prior would give now.
    (folder / "result.json").unlink()
    monkeypatch.setattr(Lzma, "score", None)
    again = cli("run", "trial.yaml", "--set", "order.start={prior: lzma}", "--out", folder, "--resume")
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "result.json").read_text())["order"]["prior"]["chosen"] == best


OWN_ORDER = """
import torch
from reorder_kit import hookimpl
from reorder_kit.interfaces import Order, Prior

class Swapped(Prior):
    name = "swapped"

    def start(self, context):
        return Order([1, 0, *range(2, context.grid.num_patches)])

@hookimpl
def register_priors():
    return [Swapped]
"""


def test_a_prior_that_scores_nothing_cannot_rank(cli, install):
    install("swapped-dist", {"swapped": "swapped_prior"}, {"swapped_prior": OWN_ORDER})
    for options in ([], ["--fit-vq"], ["--vq", "vq.safetensors"]):
        done = cli("prior", "trial.yaml", "--prior", "swapped", *options)
        assert done.exit_code == 2
        assert "swapped does not score orderings: it gives its own order, so nothing can be ranked" in done.stderr
    says = json.loads(cli("describe", "prior", "swapped", "--json").stdout)["says"]
    assert says == {"starts from": "its own order"}
    assert json.loads(cli("describe", "prior", "lzma", "--json").stdout)["says"]["measure"] == "% saved"


def test_a_run_starts_from_an_order_of_the_priors_own_making_and_says_so(cli, install, tmp_path):
    install("swapped-dist", {"swapped": "swapped_prior"}, {"swapped_prior": OWN_ORDER})
    done = cli("run", "trial.yaml", "--set", "order.start={prior: swapped}", "--set", "controls=[]")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "trial"
    result = json.loads((folder / "result.json").read_text())
    assert result["order"]["start"] == [1, 0, *range(2, 16)]
    assert result["order"]["prior"] == {"name": "swapped", "chosen": None}
    assert "The prior swapped made a new order as the start." in done.stdout
    shares = [share for share in result["order"]["influence"] if share > 0]
    effective = math.exp(-sum(share * math.log(share) for share in shares))
    assert f"Effective slots, of 16: {effective:.1f} after training." in done.stdout
    assert start_of(RunRecord.read(RunFolder(folder))) == "the order of the prior swapped"


FEW = ("--set", "order.start={prior: {name: informed, models: 1}}", "--set", "data.batch_size=50")


def test_a_prior_that_ranks_patches_shows_what_each_adds_and_where_the_model_looks(cli, tmp_path):
    done = cli("prior", "trial.yaml", *FEW, "--orderings", "row", "--images", 300, "--png", "informed.png", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["prior"]["name"], found["prior"]["images"], found["grid"]) == ("informed", 300, [4, 4])
    patches = found["patches"]
    assert sorted(each["patch"] for each in patches) == list(range(16))
    assert [found["order"][each["slot"]] for each in patches] == [each["patch"] for each in patches]
    # Two blocks of window 2 connect five slots to the last one; the best patches are there.
    assert {each["slot"] for each in patches[:5]} == {11, 12, 13, 14, 15}
    assert sum(each["adds about the class"] for each in patches) == pytest.approx(patches[-1]["in all"])
    assert list(found["influence"]) == ["0", "150"]
    for profile in found["influence"].values():
        assert sum(profile["slots"]) == pytest.approx(1, abs=1e-4)
        assert 1 <= profile["effective"] <= 5
    scores = found["closed_form"]["scores"]
    assert list(scores) == ["informed", "row"]
    assert scores["informed"] > scores["row"] + 0.05
    assert (tmp_path / "informed.png").read_bytes().startswith(b"\x89PNG")


def test_the_ranking_of_patches_is_printed_in_words(cli):
    probe = "order.start={prior: {name: probe, models: 1}}"
    done = cli("prior", "trial.yaml", *FEW, "--set", probe, "--orderings", "spiral", "--images", 100)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert says(lines[0], "probe", "training images", "trial.yaml", "4x4 patches")
    assert lines[2].split() == ["patch", "row,", "column", "slot", "tells", "about", "the", "class"]
    assert sorted(int(line.split()[0]) for line in lines[3:19]) == list(range(16))
    start = lines.index("The ranking on the grid, from 0, the most informative patch:") + 2
    ranks = [int(rank) for line in lines[start : start + 4] for rank in line.split()]
    assert [ranks[int(line.split()[0])] for line in lines[3:19]] == list(range(16))
    assert any(line.startswith("untrained") for line in lines)
    assert any(line.startswith("after 150 steps") for line in lines)
    assert "compare trained runs" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--png", "lzma.png"], "--png shows what each patch adds, but this prior ranks orderings"),
        (["--prior", "informed", "--fit-vq"], "a VQ-VAE has no effect"),
        (["--prior", "informed", "--orderings", "hilbrt"], "hint: did you mean 'hilbert'?"),
        (["--set", "order.start={prior: {name: informed, models: 0}}"], "order.start.prior.models"),
    ],
)
def test_mistakes_with_rankings_of_patches_are_told_in_words(cli, arguments, message):
    done = cli("prior", "trial.yaml", *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
