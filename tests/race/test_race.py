"""A race from start to end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from in_this_process import InThisProcess
from race_cases import TELLING, FakeTrials, opened_race, race_host, race_recipe
from reorder_kit.cli._folder_check import check_folder
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.results import RaceResult
from reorder_kit.race.run_race import RaceRun
from reorder_kit.race.setup import RaceSetup
from reorder_kit.race.standing import Standing
from reorder_kit.race.storage import RaceStorage
from reorder_kit.race.worker import Tell


def silent(what: str) -> None:
    pass


@contextmanager
def untold(standing: Standing) -> Iterator[Tell]:
    yield lambda standing: None


def raced(run: RaceRun) -> RaceResult:
    run.begin(silent)
    return run.train(None, untold)


def far_from_telling(indices: list[int]) -> float:
    """How many slots the telling patches stand before the last two."""
    return sum(7 - min(7, indices.index(patch)) for patch in TELLING) / 10


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[RaceRun, RaceResult]:
    """A race that was really trained, with one fresh seed."""
    run = opened_race(tmp_path_factory.mktemp("race") / "race", budget=4, seeds=1)
    return run, raced(run)


def test_the_winner_reads_the_patches_that_tell_the_class(proven: tuple[RaceRun, RaceResult]) -> None:
    run, result = proven
    assert set(result.order[-2:]) == set(TELLING)
    assert OrderFile.load(run.folder.order).order.indices.tolist() == list(result.order)
    assert result.rungs[-1].candidates[0].name == result.winner
    assert 0 < result.cost <= result.budget == 4
    assert result.conclusion[0].startswith(f"{result.winner} wins")


def test_all_contenders_cost_the_same(proven: tuple[RaceRun, RaceResult]) -> None:
    run, result = proven
    winner, fixed, fixed_longer, start_longer = result.equal_cost
    assert [line.cost for line in result.equal_cost] == [5.0] * 4
    assert [line.steps for line in result.equal_cost] == [30, 30, 150, 150]
    assert (winner.order, fixed.order, start_longer.order) == (result.winner, result.fixed_winner, result.start)
    assert fixed.order == fixed_longer.order
    assert winner.behind is None
    for line in (fixed, fixed_longer, start_longer):
        assert line.behind is not None
        assert line.behind.mean == pytest.approx(winner.score.mean - line.score.mean)
    recipes = [json.loads(json.dumps((run.folder.path / path / "recipe.yaml").read_text())) for path in winner.runs]
    assert "seed: 1001" in recipes[0]  # no trial has it


def test_a_race_that_is_over_is_read_again(proven: tuple[RaceRun, RaceResult], monkeypatch: pytest.MonkeyPatch) -> None:
    run, result = proven
    monkeypatch.setattr("reorder_kit.race.worker.run_trial", None)
    assert raced(run) == result
    assert run.folder.read_results() == result


def test_the_doctor_reads_every_file_of_a_race(proven: tuple[RaceRun, RaceResult]) -> None:
    run, _ = proven
    found = check_folder(run.folder.path)
    assert [check.problem for checks in found.values() for check in checks if check.problem] == []
    names = {check.file.name for check in found[run.folder.path]}
    assert names == {"setup.json", "race.json", "trial.json", "result.json"}
    losses = next(run.folder.path.glob("trials/*/losses.npy"))
    whole = losses.read_bytes()
    losses.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        problems = [
            each.problem for checks in check_folder(run.folder.path).values() for each in checks if each.problem
        ]
        assert [str(losses) in problem for problem in problems] == [True]
    finally:
        losses.write_bytes(whole)


def test_a_recipe_starts_from_the_winner(proven: tuple[RaceRun, RaceResult]) -> None:
    from reorder_kit.experiment.compose import compose

    run, result = proven
    recipe = race_recipe(order={"start": {"race": str(run.folder.path)}})
    experiment = compose(recipe, race_host(), "from a race")
    image = experiment.data_source.image
    assert image is not None
    start = experiment.known_start(image, experiment.facts(image).grid)
    assert start is not None
    assert start.indices.tolist() == list(result.order)
    written = experiment.resolved()["order"]["start"]
    assert (written["name"], written["race"]) == ("raced", str(run.folder.path))


def test_a_stopped_race_goes_on_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrials(far_from_telling).install(monkeypatch)
    whole = raced(opened_race(tmp_path / "whole"))
    trained, fake.trained, fake.fails_after = fake.trained, [], 3
    run = opened_race(tmp_path / "stopped")
    with pytest.raises(ReorderKitError, match="the trial failed"):
        raced(run)
    fake.fails_after = 10**9
    again = raced(opened_race(tmp_path / "stopped"))
    assert fake.trained == trained
    assert replace_files(again) == replace_files(whole)


def replace_files(result: RaceResult) -> RaceResult:
    """Without the name of the race in the storage, which is in the setup."""
    return result.model_copy(update={"files": {}})


def test_the_trial_of_a_killed_worker_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTrials(far_from_telling).install(monkeypatch)
    run = opened_race(tmp_path / "race")
    setup = run.begin(silent)
    with RaceStorage(run.folder.journal, None, setup.study) as killed:
        standing = Standing.of(setup, run.folder, {}, 0)
        number = killed.begin(standing.trials[2])
        raced(run)
        assert killed.begin(standing.trials[2]) != number  # it is not being trained any more
        assert standing.trials[2].key in killed.finished()


def test_two_commands_for_one_folder_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrials(far_from_telling, seconds=0.02).install(monkeypatch)
    results: list[RaceResult] = []
    runs = [opened_race(tmp_path / "race") for _ in range(2)]
    threads = [threading.Thread(target=lambda run=run: results.append(raced(run))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fake.trained) == len(set(fake.trained)) == runs[0].planned(silent).plan.trials
    assert len(fake.workers) == 2
    assert results[0] == results[1]


def test_workers_elsewhere_race_for_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrials(far_from_telling).install(monkeypatch)
    monkeypatch.setattr("reorder_kit.jobs.work.PluginHost.from_environment", lambda blocked: race_host())
    executor = InThisProcess(at_a_time=2, lost=["worker 1"])

    class Place:
        jobs = 2

        def executor(self, logs: Path, on_gpu: bool) -> InThisProcess:
            return executor

    run = opened_race(tmp_path / "race")
    setup = run.begin(silent)
    result = run.train(Place(), untold)
    assert executor.done == ["worker 1", "worker 2"]
    assert len(fake.trained) == setup.plan.trials
    assert set(result.order[-2:]) == set(TELLING)


def test_with_a_database_the_race_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTrials(far_from_telling).install(monkeypatch)
    url = f"sqlite:///{tmp_path}/race.db"
    result = raced(opened_race(tmp_path / "race", storage=url))
    assert not (tmp_path / "race" / "journal.log").exists()
    assert url not in (tmp_path / "race" / "setup.json").read_text()
    assert raced(opened_race(tmp_path / "race", storage=url)) == result
    with pytest.raises(ReorderKitError, match="--storage was database"):
        opened_race(tmp_path / "race")


def test_another_race_in_the_folder_is_refused_with_what_differs(tmp_path: Path) -> None:
    opened_race(tmp_path / "race").begin(silent)
    with pytest.raises(ReorderKitError, match=r"--budget was 4\.0"):
        opened_race(tmp_path / "race", budget=5)
    other = race_recipe(optimizer={"lr": 2e-2})
    with pytest.raises(ReorderKitError, match=r"these fields differ: optimizer\.lr"):
        RaceRun.open(other, "planted", race_host(), 4, 0, out=tmp_path / "race")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(ReorderKitError, match="is not an empty folder and holds no race"):
        opened_race(tmp_path / "other")


def test_the_race_over_fixed_rules_shares_trials_and_its_cost_is_counted_in_full(tmp_path: Path) -> None:
    setup = opened_race(tmp_path / "race").planned(silent)
    assert isinstance(setup, RaceSetup)
    assert not (tmp_path / "race").exists()
    assert all(candidate.is_fixed for candidate in setup.fixed_field)
    assert {candidate.key for candidate in setup.field} & {candidate.key for candidate in setup.fixed_field}
    told = Standing.of(setup, RaceFolder(tmp_path), {}, seeds=2)
    assert told.steps == setup.plan.steps + setup.fixed_plan.steps + 2 * 2 * (30 + 150)
    assert replace(told, fixed=None, seeds=0).steps == setup.plan.steps
