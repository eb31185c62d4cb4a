"""A headline of which less is better, and that is no share: studies, transfers, reports and the command line say so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from made_results import figures, study_result
from regression import Regression, RegressionPlugin
from reorder_kit.api.running import run
from reorder_kit.cli._run_summary import print_summary
from reorder_kit.cli.evaluate import _print_report
from reorder_kit.errors import RecipeError
from reorder_kit.figures.transfer import _scales
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.reports.looks import looks_of
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.run_words import run_verdict
from reorder_kit.reports.study_answers import answer_sections
from reorder_kit.reports.study_answers import tests_table as table_of_tests
from reorder_kit.reports.study_rows import label_of
from reorder_kit.reports.write import page_of
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.checking import check_study
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.results import Row
from reorder_kit.studies.run_study import StudyRun
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.studies.summary import Summary
from reorder_kit.studies.verdict import verdict
from reorder_kit.testing import host_with
from reorder_kit.training.evaluation_report import OWN, EvaluatedOrder, EvaluationReport
from reorder_kit.transfer.results import START, Target, collect
from says import says

WIGGLE = (0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0, 0.0)
RECIPE = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 600},
    "task": "regression",
    "backbone": {"name": "local", "patch_size": 2, "depth": 1, "window": 2, "dim": 8, "readout": "last"},
    "order": {"start": "row", "learner": {"name": "reinforce", "warmup_epochs": 0}},
    "controls": ["fixed-start", "learned-static", "null-reward"],
    "train": {"epochs": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def host():
    return host_with(RegressionPlugin())


@pytest.fixture(scope="module")
def trained(tmp_path_factory, host):
    folder = tmp_path_factory.mktemp("runs") / "trial"
    run(RECIPE, out=folder, host=host)
    return folder


@pytest.fixture
def finished(trained, tmp_path):
    """A run in which the learner makes the error smaller by 1.5; a copy, whose figures are made up."""
    folder = RunFolder(shutil.copytree(trained, tmp_path / "trial"))
    result = json.loads(folder.result.read_text())
    made_up = {"fixed-start": 4.5, "learned-static": 5.0, "null-reward": 3.5}
    result["metrics"]["test"]["mse"] = 3.0
    for name, value in made_up.items():
        result["controls"][name]["metrics"]["test"]["mse"] = value
    folder.result.write_text(json.dumps(with_checksum(result)))
    return folder


def row(mean, start, learner=None, control=None, spread=1.0):
    score = mean_over_seeds([mean + spread * step for step in WIGGLE])
    return Row("digits", "local", start, learner, control, score, tuple(range(8)), (), 16, 16, False, 1.0)


def answered(*rows, margin=0.02):
    found = compare(rows, [None] * len(rows), margin, 0.05, 0, higher_is_better=False)
    return found, verdict(rows, found, higher_is_better=False)


def test_the_lowest_row_is_the_best_one():
    (found,), said = answered(row(0.76, "row"), row(0.94, "spiral"), row(0.80, "random"))
    assert found.rows == (0, 2, 1)
    assert found.difference.mean == pytest.approx(0.18)
    parts = ("0.180", "0.180 to 0.180", "better than spiral", "worst of 3")
    assert says(found.sentence, "local", "row 0.760 ± 0.002", *parts, "p = 0.008", "8 seeds")
    (sentence,) = said
    assert says(sentence, "matters to local", "row", *parts)


def test_a_learner_gains_where_it_makes_the_metric_smaller_and_noise_that_does_is_not_expected():
    found, said = answered(
        row(4.0, "row"),
        row(3.0, "row", "reinforce"),
        row(3.5, "row", "reinforce", "learned-static"),
        row(3.25, "row", "reinforce", "null-reward"),
        row(5.0, "row", None, "random-per-batch"),
    )
    assert [each.difference.mean for each in found] == pytest.approx([1.0, 0.5, 0.75, -1.0])
    assert "scores 3.000 ± 0.002, 1.000 (1.000 to 1.000) better than row, kept fixed" in found[0].sentence
    assert found[2].sentence.endswith("which is not expected")
    assert "1.000 (1.000 to 1.000) worse than row, kept fixed (p" in found[3].sentence
    parts = ("gains 1.000", "holds up", "0.500 (0.500 to 0.500) better than the start")
    assert says(said[0], "local", "reinforce from row", *parts, "noise as the reward", "0.750")
    assert says(said[1], "Not as expected", "reinforce from row with noise as the reward", "0.750")
    assert said[2].endswith("in 1 of 1 comparisons it is worse or within ±0.020.")


def test_the_interval_over_images_is_turned_too():
    from numpy.random import RandomState

    random = RandomState(0)
    images = [mean + random.normal(0, 0.1, (6, 50)) for mean in (0.5, 0.9)]
    rows = [replace(row(0, start), seeds=tuple(range(6))) for start in ("row", "spiral")]
    rows = [
        replace(each, score=mean_over_seeds([float(value) for value in scores.mean(axis=1)]))
        for each, scores in zip(rows, images, strict=True)
    ]
    (lower,) = compare(rows, images, 0.02, 0.05, 0, higher_is_better=False)
    (higher,) = compare(rows, images, 0.02, 0.05, 0)
    assert (lower.rows, higher.rows) == ((0, 1), (1, 0))
    assert 0 < lower.difference.low < 0.4 < lower.difference.high
    assert lower.difference.mean == pytest.approx(higher.difference.mean)
    assert (lower.p, lower.verdict) == (higher.p, higher.verdict)


def test_a_small_margin_is_not_rounded_away():
    rows = (row(0.0032, "row", spread=0.01), row(0.0034, "spiral", spread=-0.01))
    (found,), said = answered(*rows, margin=0.0005)
    assert found.verdict == "equivalent"
    assert said == ("The order does not matter to local: its 2 orders are within ±0.00050 of each other.",)


def a_study(**changes):
    return {
        "format_version": 1,
        "name": "small",
        "seeds": 1,
        "recipe": {"task": "regression", "train": {"epochs": 1, "device": "cpu"}},
        "data": {"digits": {"batch_size": 600}},
        "backbones": {"local": {"patch_size": 2, "depth": 1, "window": 2, "dim": 8}},
        "starts": ["row", "spiral"],
        "controls": [],
        **changes,
    }


def test_margin_and_direction_are_those_of_the_task(host, tmp_path):
    checked = check_study(a_study(), host, "small.yaml", tmp_path)
    assert (checked.margin, checked.headline.name, checked.headline.higher_is_better) == (0.25, "mse", False)
    assert checked.study.margin is None
    assert check_study(a_study(margin=2), host, "small.yaml", tmp_path).margin == 2
    plain = check_study(a_study(recipe={"train": {"epochs": 1}}), host, "small.yaml", tmp_path)
    assert (plain.margin, plain.headline.higher_is_better) == (0.01, True)


def test_tasks_of_a_study_agree_on_direction_and_margin(host, tmp_path):
    class Turned(Regression):
        name = "turned"
        higher_is_better = True

    class Finer(Regression):
        name = "finer"
        margin = 0.5

    both = PluginHost(third_party=False)
    for task in (Regression, Turned, Finer):
        both.tasks.add(task, "test")
    for other, expected in (
        ("turned", "mse of b"),
        ("finer", "the tasks have different margins, 0.25 of a and 0.5 of b"),
    ):
        data = {"a": {"name": "digits"}, "b": {"name": "digits", "set": {"task": other}}}
        with pytest.raises(RecipeError) as error:
            check_study(a_study(data=data), both, "small.yaml", tmp_path)
        assert expected in str(error.value.problems[0])
    assert check_study(a_study(data=data, margin=1), both, "small.yaml", tmp_path).margin == 1


def test_the_study_file_leaves_the_margin_open_and_study_json_says_it(host, tmp_path):
    study = StudyRun(check_study(a_study(), host, "small.yaml", tmp_path), StudyFolder(tmp_path / "s"), host, "command")
    with study.folder.held_for(study.checked.study):
        Summary(study.checked, study.folder, study.cells, "command").write()
    assert "margin: null" in study.folder.study.read_text()
    content = json.loads(study.folder.results.read_text())
    assert (content["headline"], content["higher_is_better"], content["margin"]) == ("mse", False, 0.25)


def test_the_report_of_a_study_turns_its_signs_and_says_so():
    rows = (row(4.0, "row"), row(3.0, "row", "reinforce"), row(5.0, "spiral"))
    found, said = answered(*rows)
    results = study_result("mse", False, rows, found, said)
    matters, helps = answer_sections(results, looks_of(map(label_of, rows)))[1:3]
    assert "above 0 is a gain" in matters.blocks[0].note
    assert helps.blocks[1].answers[0].verdict == "better"
    (table,) = table_of_tests(results)
    assert "better by" in [column.heading for column in table.columns]


def test_the_report_of_a_run_says_better_and_worse(finished, host):
    said = " ".join(run_verdict(RunRecord.read(finished)))
    assert "That is 1.500 better than the same training in the fixed start (4.500)." in said
    assert "the score is 5.000, 0.500 worse than the fixed start." in said
    assert "has 3.500: at least half of the gain" in said
    (figures,) = [section for section in page_of(finished.path, host).sections if section.name == "figures"]
    table = figures.blocks[0]
    headings = [column.heading for column in table.columns]
    place = headings.index("run ahead by")
    assert "test mse (lower is better)" in headings
    assert [line[place].text for line in table.rows] == ["", "+1.500", "+2.000", "+0.500"]


def test_the_command_line_shows_plain_differences(finished, capsys):
    print_summary(finished, finished.read_result(), has_learner=True)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["test", "mse", "(lower", "is", "better)", "better", "by"] in rows
    assert ["fixed-start", "4.500", "+1.500"] in rows
    orders = [
        EvaluatedOrder(order=OWN, kendall_tau_to_own=1.0, metrics=figures(3.0, 10, mse=3.0)),
        EvaluatedOrder(order="column", kendall_tau_to_own=0.5, metrics=figures(0.5, 10, mse=0.5)),
    ]
    _print_report(
        EvaluationReport(run="r", split="test", headline="mse", higher_is_better=False, blocks=[0], orders=orders)
    )
    assert ["column", "0.500", "+2.500", "0.500", "0.500"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


def test_an_order_is_better_for_another_recipe_where_it_makes_its_error_smaller():
    targets = (Target("a", "top1", True, 16, 16, False), Target("b", "mse", False, 16, 16, False))
    of_row = {START: (0.50, 0.60, 0.70), "a": (0.40, 0.48, 0.59), "b": (0.60, 0.72, 0.81)}
    scores = {
        (how, target, name, seed): value
        for how in ("evaluated", "tuned", "scratch")
        for target in ("a", "b")
        for name, values in of_row.items()
        for seed, value in enumerate(values)
    }
    found = collect(scores, (0, 1, 2), targets)
    assert [found.cell("scratch", "b", name).verdict for name in ("a", "b")] == ["better", "worse"]
    assert [found.cell("scratch", "a", name).verdict for name in ("a", "b")] == ["worse", "better"]
    said = found.verdict
    assert any(line.startswith("b, from scratch in the order of a: +0.110 (+0.085 to +0.135) over") for line in said)
    assert any(line.startswith("a, from scratch in its own learned order: -11.0 points (-13.5 to") for line in said)
    assert found.table("scratch")[0] == ["order of", "a, top1", "b, mse (lower is better)"]


def test_a_target_without_points_has_a_scale_of_its_own():
    matrix = [[(0.5, None, False), (90.0, None, False)], [(0.6, 0.1, True), (60.0, 30.0, True)]]
    assert _scales([matrix], 2, [1]) == [0.1, 30.0]
    assert _scales([matrix], 2, []) == [30.0, 30.0]
