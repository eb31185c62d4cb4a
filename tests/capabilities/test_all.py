"""For every capability: its plugin is one short file, and the rest of the toolkit works with it."""

from __future__ import annotations

import pytest
import torch

from capability_cases import HERE, NAMES, Capability, load, outcome
from reorder_kit import hookimpl
from reorder_kit.analysis.saliency import follow_saliency
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import ReorderKitError
from reorder_kit.reports.write import page_of
from reorder_kit.runs.run_folder import RunFolder

LONGEST = 90
"""Lines of a plugin."""


class StopsAfter:
    """A listener that stops a run at the end of an epoch, as a person would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    @hookimpl
    def epoch_finished(self, epoch: int) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module", params=NAMES)
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Capability:
    return load(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def run(each: Capability) -> RunFolder:
    return each.run()


@pytest.mark.parametrize("name", NAMES)
def test_the_plugin_is_one_short_file(name: str) -> None:
    lines = (HERE / name / "plugin.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= LONGEST


def test_what_is_evaluated_is_the_step_that_was_trained(each: Capability, run: RunFolder) -> None:
    loaded = each.open(run)
    task, recipe = loaded.experiment.task, loaded.experiment.recipe
    samples = loaded.experiment.open_data().validation
    views = task.views(training=False)
    loader = evaluation_loader(samples, loaded.context.kind, "validation", recipe.data.batch_size, 0, views=views)
    total, images = 0.0, 0
    with torch.no_grad():
        for batch in loader:
            result = task.step(loaded.evaluated_model, task.prepare(batch, False, loaded.context), loaded.progress)
            total, images = total + float(result.loss.double().sum()), images + len(batch)
    assert run.read_result().metrics.validation["loss"] == pytest.approx(total / images, rel=1e-5)


def test_a_stopped_run_resumes_bit_for_bit(each: Capability, run: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt):
        each.run("stopped", plugins=(StopsAfter(1),))
    assert outcome(each.run("stopped", resume=True)) == outcome(run)


def test_influence_is_a_share_of_each_slot_or_says_why_not(run: RunFolder) -> None:
    order = run.read_result().as_dict()["order"]
    if order["influence"] is None:
        assert "reads its batch" in order["influence_does_not_apply"]
    else:
        assert sum(order["influence"]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("method", ["gradient", "occlusion"])
def test_saliency_is_measured_or_refused_with_a_reason(method: str, each: Capability, run: RunFolder) -> None:
    try:
        report = follow_saliency(each.open(run), method, "test", 20)
    except ReorderKitError as error:
        reason = error.message
    else:
        reason = ""
        assert report.images + report.without_saliency == 20
    assert not reason or any(
        words in reason for words in ("reads its batch", "depends on the image", "orders again", "difference")
    )


def test_it_has_a_report(each: Capability, run: RunFolder) -> None:
    page = page_of(run.path, each.host())
    assert page.verdict
