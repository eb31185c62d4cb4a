"""``result.json``: writing, reading, and refusals."""

from __future__ import annotations

import json
import math

import pytest

from made_results import ENVIRONMENT, figures, run_order, run_result
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.result import (
    ChosenByPrior,
    ControlMetrics,
    ControlResult,
    Reach,
    RestoredChain,
    RunMetrics,
    RunResult,
    UndoneScramble,
)

SPLIT = {"loss": 0.5, "images": 8, "top1": 0.75}
WRITTEN = {
    "format_version": 1,
    "name": "quickstart",
    "headline": "top1",
    "higher_is_better": True,
    "metrics": {"test": {"loss": 0.5, "images": 8, "top1": 0.9375}, "validation": SPLIT},
    "order": {
        "start": [0, 1, 2, 3],
        "final": [0, 2, 1, 3],
        "kendall_tau_to_start": 0.6666666666666666,
        "mean_rank_shift": 0.5,
        "adjacency": 1.0,
        "reach": {"slots": 4, "of": 4, "is_selection": False},
        "influence": [0.125, 0.25, 0.5, 0.125],
    },
    "controls": {},
    "seconds": 2.5,
    "images_per_second": 64.0,
    "environment": {
        "python": "3.12.1",
        "platform": "Linux",
        "packages": {"torch": "2.11.0", "timm": None},
        "device": "cpu",
        "cpu_count": 4,
        "torch_threads": 1,
        "cuda": None,
        "command": ["reorder-kit", "run", "quickstart"],
    },
    "files": {},
}
CONTROLS = {
    "fixed-start": ControlResult(
        words="the start, kept",
        metrics=ControlMetrics(test=figures(top1=0.5), validation=figures(top1=0.25)),
    ),
    "other-image": ControlResult(
        words="the order of another image",
        metrics=ControlMetrics(test=figures(top1=0.625)),
        own=ControlMetrics(test=figures(top1=0.875)),
    ),
    "other-image-same-class": ControlResult(words="of the same class", left_out="no test image could be compared"),
}
CONTROLS_WRITTEN = {
    "fixed-start": {
        "words": "the start, kept",
        "metrics": {"test": SPLIT | {"top1": 0.5}, "validation": SPLIT | {"top1": 0.25}},
    },
    "other-image": {
        "words": "the order of another image",
        "metrics": {"test": SPLIT | {"top1": 0.625}},
        "own": {"test": SPLIT | {"top1": 0.875}},
    },
    "other-image-same-class": {"words": "of the same class", "left_out": "no test image could be compared"},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result.json"


def written(path, **changes):
    """A handmade file."""
    path.write_text(json.dumps(with_checksum(WRITTEN | changes)))
    return path


def test_a_result_is_written_key_for_key(path):
    run_result().write(path)
    assert path.read_text() == json.dumps(with_checksum(WRITTEN), indent=2) + "\n"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_run_does_not_have_is_no_key_and_what_does_not_apply_is_null(path):
    order = run_order(
        is_consensus=True,
        spread=0.0,
        examples=[[0, 1, 2, 3]],
        planted=RestoredChain(hidden=[3, 2, 1, 0], restored_neighbours=2, of=3),
        prior=ChosenByPrior(name="lzma", chosen=None),
        reach=Reach(slots=None, of=3, left_out=1, is_selection=True),
        influence=None,
        influence_does_not_apply="a step reads its batch 2 times",
    )
    run_result(order=order, controls=CONTROLS).write(path)
    content = json.loads(path.read_text())
    assert list(content["order"].items())[5:] == [
        ("is_consensus", True),
        ("spread", 0.0),
        ("examples", [[0, 1, 2, 3]]),
        ("planted", {"hidden": [3, 2, 1, 0], "restored_neighbours": 2, "of": 3}),
        ("prior", {"name": "lzma", "chosen": None}),
        ("reach", {"slots": None, "of": 3, "left_out": 1, "is_selection": True}),
        ("influence", None),
        ("influence_does_not_apply", "a step reads its batch 2 times"),
    ]
    assert json.dumps(content["controls"]) == json.dumps(CONTROLS_WRITTEN)
    assert RunResult.read(path).order == order


def test_what_was_written_comes_back_to_the_last_digit(path):
    scramble = UndoneScramble(hidden=[1, 0, 2, 3], adjacency_in_true_image=1 / 3, kendall_tau_to_undone=-0.1)
    metrics = RunMetrics(
        test=figures(loss=0.1 + 0.2, top1=1 / 3, per_class={"a": 1e-300, "b": 2}, unreadable=["torn.png"]),
        validation=figures(top1=5e-324, parts={"left": 0.7}),
    )
    result = run_result(metrics=metrics, order=run_order(planted=scramble), controls=CONTROLS)
    result.write(path)
    again = RunResult.read(path)
    assert again == result
    assert again.metrics.test.loss == 0.30000000000000004
    assert again.metrics.test["per_class"] == {"a": 1e-300, "b": 2}
    assert json.dumps(again.as_dict(), indent=2) + "\n" == path.read_text()


def test_a_figure_that_is_nan_stays_one(path):
    result = run_result(
        metrics=RunMetrics(test=figures(loss=math.nan, top1=0.5, mAP=math.inf), validation=figures(top1=0.5))
    )
    result.write(path)
    assert '"loss": NaN' in path.read_text()
    again = RunResult.read(path)
    assert math.isnan(again.metrics.test.loss)
    assert again.metrics.test["mAP"] == math.inf


def test_figures_have_what_all_tasks_have_beside_the_task_s_own():
    found = Figures.of(0.25, {"left": 0.125}, 4, {"mIoU": 0.5, "per_class": {"sky": 1.0}}, ["a.png"])
    assert list(found.model_dump()) == ["loss", "parts", "images", "mIoU", "per_class", "unreadable"]
    assert (found.loss, found.parts, found.images, found.unreadable) == (0.25, {"left": 0.125}, 4, ("a.png",))
    assert (found.score("mIoU"), found["per_class"]["sky"]) == (0.5, 1.0)
    assert list(Figures.of(0.25, {}, 4, {"top1": 1.0}, []).model_dump()) == ["loss", "images", "top1"]


def test_controls_are_compared_on_the_same_images():
    trained, evaluated = run_result(top1=0.75, controls=CONTROLS).compared_controls
    assert (trained.name, trained.score, trained.own, trained.ahead) == ("fixed-start", 0.5, 0.75, 0.25)
    assert (trained.validation, trained.is_evaluated) == (0.25, False)
    assert (evaluated.score, evaluated.own, evaluated.ahead) == (0.625, 0.875, 0.25)
    assert (evaluated.validation, evaluated.is_evaluated) == (None, True)
    assert run_result(controls=CONTROLS).left_out_controls == {
        "other-image-same-class": "no test image could be compared"
    }


def test_where_lower_is_better_a_run_is_ahead_of_a_higher_control():
    result = run_result(top1=0.25, higher_is_better=False, controls=CONTROLS)
    assert (result.score, str(result.metric)) == (0.25, "top1 (lower is better)")
    assert [control.ahead for control in result.compared_controls] == [0.25, -0.25]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2}, "format_version 2 is not 1"),
        ({"headlin": "top1"}, "headlin is not a field"),
        ({"seconds": "long"}, "seconds Input should be a valid number"),
        ({"metrics": {"test": SPLIT}}, "metrics.validation is missing"),
        ({"metrics": {"test": {"top1": 0.5, "images": 8}, "validation": SPLIT}}, "metrics.test .*loss is missing"),
        ({"headline": "mAP"}, "a number for the headline 'mAP'"),
        ({"order": WRITTEN["order"] | {"spread": 0.5}}, "order .*should have a spread if it is a consensus"),
        ({"order": WRITTEN["order"] | {"reach": {"slots": 4}}}, r"order\.reach\.of is missing"),
        ({"controls": {"blank": {"words": "blank images"}}}, r"controls\.blank .*either metrics or left_out"),
        ({"environment": []}, "environment "),
    ],
)
def test_another_version_and_what_is_damaged_are_refused_by_file_and_field(path, changes, said):
    with pytest.raises(ReorderKitError, match=rf"result\.json: .*{said}"):
        RunResult.read(written(path, **changes))


@pytest.mark.parametrize("text", ["", '{"format_version": 1', "[]", "null", '{"a": ' * 10_000, "\x00"])
def test_what_is_no_json_object_is_refused_by_file(path, text):
    path.write_text(text)
    with pytest.raises(ReorderKitError, match=r"result\.json: "):
        RunResult.read(path)


def test_a_file_of_other_bytes_or_none_at_all_is_refused(path):
    with pytest.raises(ReorderKitError, match=r"result\.json: cannot be read: No such file"):
        RunResult.read(path)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ReorderKitError, match=r"result\.json: cannot be read"):
        RunResult.read(path)


def test_an_environment_comes_back_and_one_that_is_damaged_is_refused(tmp_path):
    path = tmp_path / "environment.json"
    ENVIRONMENT.write(path)
    assert path.read_text() == json.dumps(with_checksum(WRITTEN["environment"]), indent=2) + "\n"
    assert type(ENVIRONMENT).read(path) == ENVIRONMENT
    path.write_text(json.dumps(with_checksum({"python": "3.12.1"})))
    with pytest.raises(ReorderKitError, match=r"environment\.json: platform is missing; packages is missing"):
        type(ENVIRONMENT).read(path)
