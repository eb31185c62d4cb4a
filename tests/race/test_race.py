"""A complete race."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from in_this_process import InThisProcess
from race_cases import TELLING, FakeTrials, opened_race, race_host, race_recipe
from reorder_kit.cli._folder_check import check_folder
from reorder_kit.errors import DivergedError, ReorderKitError
from reorder_kit.jobs.place import Place
from reorder_kit.orderings.raced import Raced
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.results import RaceResult, RungResult
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


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A race that is about to begin; choosing candidates reads the data."""
    out = tmp_path_factory.mktemp("settled") / "race"
    opened_race(out).begin(silent)
    return out


@pytest.fixture
def race(settled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(settled, tmp_path / "race"))


def far_from_telling(indices: list[int]) -> float:
    """How many slots the informative patches are before the last two."""
    return sum(7 - min(7, indices.index(patch)) for patch in TELLING) / 10


def steps_of_trials(rungs: tuple[RungResult, ...]) -> int:
    """Expected trials of every order, with the steps and seeds of its rungs; shared ones are trained once."""
    trials = {(each.name, rung.steps, seed) for rung in rungs for each in rung.candidates for seed in range(rung.seeds)}
    return sum(steps for _, steps, _ in trials)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[RaceRun, RaceResult]:
    """An actually trained race, with one fresh seed."""
    run = opened_race(tmp_path_factory.mktemp("race") / "race", budget=2, seeds=1)
    return run, raced(run)


def test_the_winner_reads_the_patches_that_tell_the_class(proven: tuple[RaceRun, RaceResult]) -> None:
    run, result = proven
    assert set(result.order[-2:]) == set(TELLING)
    assert OrderFile.load(run.folder.order).order.indices.tolist() == list(result.order)
    assert result.rungs[-1].candidates[0].name == result.winner
    assert 0 < result.cost <= result.budget == 2
    assert result.conclusion[0].startswith(f"{result.winner} wins")


def test_longer_trainings_take_what_the_races_were_planned_to_and_races_what_they_took(
    proven: tuple[RaceRun, RaceResult],
) -> None:
    run, result = proven
    winner, fixed, fixed_longer, start_longer = result.equal_cost
    setup = RaceSetup.read(run.folder.setup)
    longer = 60 + max(setup.plan.steps, setup.fixed_plan.steps)
    assert [line.steps for line in result.equal_cost] == [60, 60, longer, longer]
    assert winner.cost == pytest.approx(1 + result.cost)
    assert result.cost == pytest.approx(steps_of_trials(result.rungs) / 60)
    assert fixed.cost == pytest.approx(1 + steps_of_trials(result.fixed_rungs) / 60)
    assert fixed_longer.cost == start_longer.cost == longer / 60 >= max(winner.cost, fixed.cost)
    assert (winner.order, fixed.order, start_longer.order) == (result.winner, result.fixed_winner, result.start)
    assert fixed.order == fixed_longer.order
    assert winner.behind is None
    for line in (fixed, fixed_longer, start_longer):
        assert line.behind is not None
        assert line.behind.mean == pytest.approx(winner.score.mean - line.score.mean)
    (path,) = winner.runs
    assert "seed: 1001" in (run.folder.path / path / "recipe.yaml").read_text()  # no trial has it


def test_a_race_that_is_over_is_read_again(proven: tuple[RaceRun, RaceResult], monkeypatch: pytest.MonkeyPatch) -> None:
    run, result = proven
    monkeypatch.setattr("reorder_kit.race.worker.run_trial", None)
    assert raced(run) == result
    assert run.folder.read_results() == result


def test_a_proof_is_not_lost_by_asking_for_fewer_seeds(
    proven: tuple[RaceRun, RaceResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, result = proven
    monkeypatch.setattr("reorder_kit.race.worker.run_trial", None)
    again = opened_race(run.folder.path, budget=2, seeds=0)
    assert again.seeds == 1
    assert raced(again) == result
    assert raced(replace(again, seeds=0)) == result  # one that began before proofs existed
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


def test_an_order_whose_training_diverges_stands_last(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(indices: list[int]) -> float:
        if indices[-1] == TELLING[0]:
            raise DivergedError("the loss became NaN")
        return far_from_telling(indices)

    FakeTrials(diverging).install(monkeypatch)
    result = raced(opened_race(race))
    assert result.order[-1] != TELLING[0]
    assert any("diverged, so it ranks last" in note for note in result.notes)
    assert raced(opened_race(race)) == result


def test_a_race_in_which_all_diverge_says_so(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(indices: list[int]) -> float:
        raise DivergedError("the loss became NaN")

    FakeTrials(diverging).install(monkeypatch)
    with pytest.raises(ReorderKitError, match="the trainings of all orders in the last rung diverged"):
        raced(opened_race(race))


def test_a_stopped_race_goes_on_with_what_is_missing(
    race: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeTrials(far_from_telling).install(monkeypatch)
    whole = raced(opened_race(Path(shutil.copytree(race, tmp_path / "whole"))))
    trained, fake.trained, fake.fails_after = fake.trained, [], 3
    with pytest.raises(ReorderKitError, match="the trial failed"):
        raced(opened_race(race))
    fake.fails_after = 10**9
    assert raced(opened_race(race)) == whole
    assert fake.trained == trained


def test_the_trial_of_a_killed_worker_is_taken_over(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTrials(far_from_telling).install(monkeypatch)
    run = opened_race(race)
    setup = run.begin(silent)
    with RaceStorage(run.folder.journal, None, setup.study) as killed:
        third = Standing.of(setup, run.folder, {}, 0).trials[2]
        number = killed.begin(third)
        raced(run)
        assert third.key in killed.finished()
        assert killed.begin(third) != number  # which is no longer being trained


def test_two_commands_for_one_folder_share_the_work(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrials(far_from_telling, seconds=0.05).install(monkeypatch)
    results: list[RaceResult] = []
    runs = [opened_race(race) for _ in range(2)]
    threads = [threading.Thread(target=lambda run=run: results.append(raced(run))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fake.trained) == len(set(fake.trained)) == runs[0].planned(silent).plan.trials
    assert len(fake.workers) == 2
    assert results[0] == results[1]


def test_workers_elsewhere_race_for_the_same_folder(race: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrials(far_from_telling).install(monkeypatch)
    monkeypatch.setattr("reorder_kit.jobs.work.PluginHost.from_environment", lambda blocked: race_host())
    executor = InThisProcess(at_a_time=2, lost=["worker 1"])

    class Here(Place):
        def executor(self, logs: Path, on_gpu: bool) -> Any:
            return executor

    run = opened_race(race)
    setup = run.begin(silent)
    result = run.train(Here(jobs=2), untold)
    assert executor.done == ["worker 1", "worker 2"]
    assert len(fake.trained) == setup.plan.trials
    assert set(result.order[-2:]) == set(TELLING)


def test_where_no_worker_ends_well_the_race_says_why(race: Path) -> None:
    executor = InThisProcess(lost=["worker 1"])

    class Here(Place):
        def executor(self, logs: Path, on_gpu: bool) -> Any:
            return executor

    run = opened_race(race)
    run.begin(silent)
    with pytest.raises(ReorderKitError, match="worker 1: its process was ended by SIGKILL"):
        run.train(Here(jobs=1), untold)


def test_with_a_database_the_race_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTrials(far_from_telling).install(monkeypatch)
    url = f"sqlite:///{tmp_path}/race.db"
    result = raced(opened_race(tmp_path / "race", storage=url))
    assert not (tmp_path / "race" / "journal.log").exists()
    assert url not in (tmp_path / "race" / "setup.json").read_text()
    assert raced(opened_race(tmp_path / "race", storage=url)) == result
    with pytest.raises(ReorderKitError, match="--storage was database"):
        opened_race(tmp_path / "race")


def test_another_race_in_the_folder_is_refused_with_what_differs(race: Path, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"--budget was 4\.0"):
        opened_race(race, budget=5)
    other = race_recipe(optimizer={"lr": 2e-2})
    with pytest.raises(ReorderKitError, match=r"these fields differ: optimizer\.lr"):
        RaceRun.open(other, "planted", race_host(), 4, 0, out=race)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(ReorderKitError, match="is not an empty folder and holds no race"):
        opened_race(tmp_path / "other")


def test_a_start_from_a_race_that_is_not_over_or_of_another_grid_is_refused(
    race: Path, tmp_path: Path, proven: tuple[RaceRun, RaceResult]
) -> None:
    def start(folder: Path, side: int = 3) -> Order:
        return Raced(Raced.Options(race=folder)).order(Grid(side, side))

    over = proven[0].folder.path
    assert start(over).indices.tolist() == list(proven[1].order)
    with pytest.raises(ReorderKitError, match="the race is not over"):
        start(race)
    with pytest.raises(ReorderKitError, match="there is no such race folder"):
        start(tmp_path / "moved")
    with pytest.raises(ReorderKitError, match="is not a race folder"):
        start(tmp_path)
    with pytest.raises(ReorderKitError, match="raced on the 3x3 grid, but the 2x2 grid is asked for"):
        start(over, side=2)
    broken = Path(shutil.copytree(over, tmp_path / "broken"))
    OrderFile("another", Grid(3, 3), Order.identity(9)).save(broken / "order.json")
    with pytest.raises(ReorderKitError, match="is damaged, or from another run"):
        start(broken)


def test_the_race_over_fixed_rules_shares_trials_and_its_cost_is_counted_in_full(race: Path) -> None:
    setup = opened_race(race).planned(silent)
    assert all(candidate.is_fixed for candidate in setup.fixed_field)
    assert {candidate.key for candidate in setup.field} & {candidate.key for candidate in setup.fixed_field}
    told = Standing.of(setup, RaceFolder(race), {}, seeds=2)
    assert told.steps == setup.plan.steps + setup.fixed_plan.steps + 2 * 2 * (60 + setup.longer_steps)
    assert setup.longer_steps == 60 + max(setup.plan.steps, setup.fixed_plan.steps) <= 300
    assert replace(told, fixed=None, seeds=0).steps == setup.plan.steps


def test_a_race_killed_before_anybody_knew_who_races_begins_anew(race: Path) -> None:
    (race / "setup.json").unlink()
    run = opened_race(race)
    assert run.begin(silent).start.name == "row"
    (race / "setup.json").unlink()
    (race / "metrics.jsonl").touch()
    with pytest.raises(ReorderKitError, match="holds no race"):
        opened_race(race)
