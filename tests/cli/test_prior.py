"""`reorder-kit prior`: which ordering a prior would start from; and a run that starts from it."""

from __future__ import annotations

import json

import pytest

from reorder_kit.priors.lzma import Lzma


def ranked(cli, *arguments):
    done = cli("prior", "trial.yaml", "--images", 100, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_json_holds_every_ordering_from_the_best_to_the_worst(cli):
    found = ranked(cli)
    assert found["prior"] == {"name": "lzma", "levels": 16, "tokens": "unigram", "prefer": "most"}
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
    start = "order.start={prior: {name: lzma, levels: 4, prefer: least}}"
    expected = {"name": "lzma", "levels": 4, "tokens": "unigram", "prefer": "least"}
    least = ranked(cli, "--set", start)
    assert least["prior"] == expected
    assert ranked(cli, "--set", start, "--prior", "lzma")["prior"] == expected
    other = ranked(cli, "--set", start, "--prior", "conditional-entropy", "--orderings", "row")
    assert (other["prior"]["name"], other["prior"]["levels"]) == ("conditional-entropy", 16)
    most = ranked(cli, "--set", start.replace("least", "most"))
    assert most["best"] == least["orderings"][-1]["name"]


def test_the_table_ends_with_words(cli):
    lines = cli(
        "prior", "trial.yaml", "--images", 50, "--orderings", "row", "--orderings", "spiral"
    ).stdout.splitlines()
    assert lines[0] == "lzma on 50 training images of trial.yaml, 4x4 patches; 95 % intervals."
    assert lines[2].split() == ["%", "saved", "behind", "the", "best"]
    assert {lines[3].split()[0], lines[4].split()[0]} == {"row", "spiral"}
    assert lines[-1].endswith("on 50 images.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trial.yaml", "--prior", "lmza"], "there is no prior 'lmza'\n  hint: did you mean 'lzma'?"),
        (["trial.yaml", "--orderings", "hilbrt"], "hint: did you mean 'hilbert'?"),
        (["trial.yaml", "--orderings", "small.json"], "small.json holds an order of a 1x3 grid, not of 4x4"),
        (["trial.yaml", "--orderings", "partial.json"], "partial.json: a partial order is small because it leaves"),
        (
            ["trial.yaml", "--set", "order.start={prior: {name: lzma, levels: 1}}"],
            "order.start.prior.levels: input should be greater than or equal to 2, not 1",
        ),
        (["trial.yaml", "--images", "1"], "--images"),
        (["nowhere.yaml"], "nowhere.yaml: no such file, and no shipped recipe"),
    ],
)
def test_mistakes_are_told_in_words(cli, tmp_path, arguments, message):
    (tmp_path / "small.json").write_text(json.dumps({"name": "small", "grid": [1, 3], "order": [2, 0, 1]}))
    (tmp_path / "partial.json").write_text(json.dumps({"name": "partial", "grid": [4, 4], "order": [2, 0]}))
    done = cli("prior", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_run_starts_from_what_the_prior_chose_and_says_so(cli, monkeypatch, tmp_path):
    done = cli("run", "trial.yaml", "--set", "order.start={prior: lzma}", "--set", "controls=[fixed-start]")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "trial"
    result = json.loads((folder / "result.json").read_text())
    # The run looks at 256 images.
    best = json.loads(cli("prior", "trial.yaml", "--images", 256, "--json").stdout)["best"]
    assert result["order"]["prior"] == {"name": "lzma", "chosen": best}
    shown = json.loads(cli("show-order", best, "--grid", "4x4", "--json").stdout)
    assert result["order"]["start"] == shown["order"]
    control = json.loads((folder / "controls" / "fixed-start" / "result.json").read_text())
    assert control["order"]["start"] == shown["order"]
    assert control["order"]["prior"] == result["order"]["prior"]
    assert f"The prior lzma chose {best} to start from." in done.stdout
    assert "name: lzma" in (folder / "recipe.yaml").read_text()

    # A run that goes on keeps its start, whatever the prior would say by now.
    (folder / "result.json").unlink()
    monkeypatch.setattr(Lzma, "score", None)
    again = cli("run", "trial.yaml", "--set", "order.start={prior: lzma}", "--out", folder, "--resume")
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "result.json").read_text())["order"]["prior"]["chosen"] == best
