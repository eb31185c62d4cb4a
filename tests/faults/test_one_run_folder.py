"""A run folder belongs to one run: processes that start simultaneously never write to another's folder."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.runs.folder_lock import LOCK, Lock, alone, alone_with, holds_nothing
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.claim import claim_begun, claim_in_program, claim_new

DATA = {"name": "planted-chain", "grid": [4, 4], "train_images": 24, "validation_images": 8, "test_images": 8}
RECIPE = {
    "format_version": 1,
    "name": "tiny",
    "data": {**DATA, "batch_size": 12},
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
    "train": {"epochs": 2, "device": "cpu"},
}
HOST = host_with()
SEEDS = range(4)


@pytest.fixture
def experiment():
    return compose(RECIPE, HOST, "tiny")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at_once(*calls):
    """Call functions in threads that start together; returns each result or refusal."""
    start, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def call(place):
        start.wait()
        try:
            answers[place] = calls[place]()
        except ReorderKitError as error:
            answers[place] = error

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_many_runs_of_one_name_each_claims_a_folder_of_its_own(experiment, here):
    for claimed in (8, 16):
        claims = at_once(*[partial(claim_new, experiment, None)] * 8)
        assert len({claim.folder.path for claim in claims}) == 8
        assert len(list((here / "runs").iterdir())) == claimed
    assert (here / "runs" / "tiny-16").exists()


def test_of_many_runs_in_one_folder_one_begins(experiment, here):
    for number in range(20):
        claims = at_once(*[partial(claim_new, experiment, here / str(number))] * 6)
        assert sorted(type(claim).__name__ for claim in claims) == ["Claim", *["ReorderKitError"] * 5]
        refused = [claim for claim in claims if isinstance(claim, ReorderKitError)]
        assert all("another process is training in it" in error.message for error in refused)


def test_of_two_that_resume_one_goes_on(experiment, here):
    for number in range(20):
        begun = RunFolder(here / str(number))
        begun.path.mkdir()
        begun.recipe.write_text(json.dumps(experiment.resolved()))
        claims = at_once(*[partial(claim_begun, experiment, begun.path)] * 2)
        assert sorted(type(claim).__name__ for claim in claims) == ["Claim", "ReorderKitError"]


def test_a_run_that_trains_keeps_others_out_until_it_is_over(here):
    told = []

    class Others:
        @hookimpl
        def epoch_finished(self, run, epoch, record):
            for resume in (True, False):
                with pytest.raises(ReorderKitError) as error:
                    reorder_kit.run(RECIPE, out=run.directory, resume=resume, host=HOST)
                told.append(error.value.message)

    reorder_kit.run(RECIPE, out="run", host=host_with(Others()))
    assert told == ["run: another process is training in it"] * 4
    assert not (here / "run" / LOCK).exists()
    assert reorder_kit.run(RECIPE, out="run", resume=True, host=HOST).result == RunFolder(here / "run").read_result()


def test_a_study_waits_for_the_process_that_trains_its_run(experiment, here):
    first = claim_in_program(experiment, here / "run")
    second = []
    waiting = threading.Thread(target=lambda: second.append(claim_in_program(experiment, here / "run")))
    waiting.start()
    time.sleep(0.05)
    assert second == []
    first.end()
    waiting.join(10)
    (claim,) = second
    assert claim.folder == first.folder
    assert (here / "run" / LOCK).exists()
    claim.end()


@pytest.mark.parametrize("leftover", [LOCK, "recipe.yaml.unfinished", "data.json.1f.unfinished"])
def test_what_a_kill_left_behind_blocks_neither_a_new_run_nor_a_resume(leftover, experiment, here):
    for resume in (False, True):
        out = here / str(resume)
        out.mkdir()
        (out / leftover).write_text("half of it")
        assert holds_nothing(out)
        reorder_kit.run(RECIPE, out=out, resume=resume, host=HOST)
        assert not (out / leftover).exists()


def test_the_last_run_of_a_name_is_the_last_that_has_begun(experiment, here):
    for number in range(3):
        claim = claim_new(experiment, None)
        if number < 2:
            claim.folder.recipe.write_text(json.dumps(experiment.resolved()))
            claim.end()
    claim = claim_begun(experiment, None)
    assert claim.folder.path == Path("runs/tiny-2")


def test_what_cannot_be_trained_leaves_no_folder_behind(here):
    wrong = {**RECIPE, "train": {**RECIPE["train"], "weights": "nowhere"}}
    for out in (None, "deep/down/run"):
        with pytest.raises(ReorderKitError):
            reorder_kit.run(wrong, out=out, host=HOST)
        assert list(here.iterdir()) == []
    (here / "mine").mkdir()
    with pytest.raises(ReorderKitError):
        reorder_kit.run(wrong, out="mine", host=HOST)
    assert list(here.rglob("*")) == [here / "mine"]


def test_a_lock_that_was_removed_while_somebody_waited_is_taken_anew(tmp_path):
    first, second, third = (Lock(tmp_path / LOCK) for _ in range(3))
    assert first.take()
    waiting = threading.Thread(target=second.take, args=(True,))
    waiting.start()
    time.sleep(0.05)
    first.remove()
    waiting.join(10)
    assert not third.take()
    second.remove()
    assert third.take()
    third.remove()
    assert list(tmp_path.iterdir()) == []


def test_every_process_of_a_run_keeps_others_out(tmp_path):
    main, rank, other = (Lock(tmp_path / LOCK) for _ in range(3))
    assert main.take()
    main.share()
    rank.join()
    assert not other.take()
    assert not main.take_over()
    main.close()  # as where it was killed
    assert not other.take()
    assert rank.take_over()
    rank.close()
    assert other.take()


def test_a_folder_of_a_study_and_the_file_of_a_benchmark_are_held_by_one(tmp_path):
    with (
        alone(tmp_path),
        alone_with(tmp_path / "runs.jsonl"),
        pytest.raises(ReorderKitError, match=r"runs\.jsonl: another process is working on it"),
        alone_with(tmp_path / "runs.jsonl"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def weights(folder):
    return {
        name: tensor.tolist() for name, tensor in load_file(folder.latest_checkpoint() / "model.safetensors").items()
    }


def several_rounds(children, here, rounds):
    """Four processes at once on one recipe: four complete runs, each with the weights of its own seed."""
    expected = {}
    for seed in SEEDS:
        reorder_kit.run(RECIPE, {"seed": seed}, out=here / f"alone-{seed}", host=HOST)
        expected[seed] = weights(RunFolder(here / f"alone-{seed}"))
    for number in range(rounds):
        home = here / str(number)
        home.mkdir()
        children.finish(*[children.start("train_here", {**RECIPE, "seed": seed}, str(home)) for seed in SEEDS])
        folders = [RunFolder(path) for path in (home / "runs").iterdir()]
        assert sorted(folder.path.name for folder in folders) == ["tiny", "tiny-2", "tiny-3", "tiny-4"]
        seeds = set()
        for folder in folders:
            seed = compose(reorder_kit.load_run(folder.path, HOST).experiment.resolved(), HOST, "tiny").recipe.seed
            seeds.add(seed)
            assert weights(folder) == expected[seed]
            assert [record.epoch for record in folder.read_epochs()] == [1, 2]
        assert seeds == set(SEEDS)


def test_four_processes_at_once_on_one_recipe_give_four_complete_runs(children, here):
    several_rounds(children, here, rounds=2)


@pytest.mark.slow
def test_twenty_rounds_of_four_processes_at_once_never_give_a_mixture(children, here):
    several_rounds(children, here, rounds=20)


@pytest.mark.slow
def test_a_killed_run_is_resumed_at_once_though_its_data_loaders_live_on(children, here, wait_for_lines):
    recipe = {**RECIPE, "data": {**RECIPE["data"], "workers": 2}, "train": {"epochs": 5000, "device": "cpu"}}
    process = children.start("train", recipe, str(here / "run"))
    wait_for_lines(here / "run" / "metrics.jsonl", 1)
    with pytest.raises(ReorderKitError, match="another process is training in it"):
        reorder_kit.run(recipe, out="run", resume=True, host=HOST)
    process.kill()
    process.join()
    claim = claim_begun(compose(recipe, HOST, "tiny"), here / "run")
    assert claim.lock is not None
    claim.end()


def test_a_folder_below_a_link_that_leads_nowhere_is_named(experiment, here):
    (here / "cells").symlink_to(here / "unmounted")
    with pytest.raises(ReorderKitError, match="a broken link"):
        claim_in_program(experiment, here / "cells" / "one")


def test_a_trained_run_that_has_lost_its_recipe_is_kept(experiment, here):
    kept = here / "one" / "checkpoints" / "epoch-000001"
    kept.mkdir(parents=True)
    with pytest.raises(ReorderKitError, match=r"recipe\.yaml: is missing, although the run has been trained"):
        claim_in_program(experiment, here / "one")
    assert kept.is_dir()
