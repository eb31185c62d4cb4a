"""Full disks, lost permissions, deleted folders: a message says how to continue, and nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import resource
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors import SafetensorError
from typer.testing import CliRunner

import reorder_kit
from campaign import cases
from full_disk import failing_machine
from reorder_kit import hookimpl
from reorder_kit.cli.main import app
from reorder_kit.errors import ReorderKitError, error_of_machine, writing
from reorder_kit.machine_failures import MachineFailure
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.whole_file import write_whole
from reorder_kit.writable import require_writable_file, require_writable_folder
from says import says

RECIPE = {
    "format_version": 1,
    "name": "small",
    "data": {
        "name": "planted-chain",
        "grid": [2, 2],
        "train_images": 24,
        "validation_images": 8,
        "test_images": 8,
        "batch_size": 12,
    },
    "backbone": {"name": "local", "patch_size": 1, "dim": 8, "heads": 2, "depth": 1},
    "order": {"start": "random", "learner": {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 1}},
    "controls": ["fixed-start"],
    "train": {"epochs": 2, "device": "cpu", "ema_decay": 0.9},
}
PLACES = cases(12, most=140)
"""In the run above, where the disk becomes full."""
CODES = {
    errno.ENOSPC: "free space on the disk of ",
    errno.EDQUOT: "quota",
    errno.EFBIG: "ulimit -f",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "read-only",
    errno.EIO: "dmesg",
    errno.ESTALE: "mount it again",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "too many files open",
    errno.ENOMEM: "data.batch_size",
    errno.ELOOP: "links",
}


@pytest.fixture(scope="module")
def host():
    return host_with()


@pytest.fixture(scope="module")
def undisturbed(host, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    with failing_machine(out) as machine:
        reorder_kit.run(RECIPE, out=out / "run", host=host)
    return out / "run", machine.writes


def refusal_at(write, host, folder, code=errno.ENOSPC):
    with failing_machine(folder, write, code) as machine, pytest.raises(ReorderKitError) as told:
        reorder_kit.run(RECIPE, out=folder / "run", host=host)
    assert len(machine.writes) > write
    return told.value, machine.writes[write].split()[1]


def test_the_writes_of_a_run_are_known(undisturbed):
    assert len(undisturbed[1]) > 100
    assert {"write run/result.json.unfinished", "rename run/checkpoints/epoch-000002"} <= set(undisturbed[1])


@pytest.mark.parametrize("place", range(PLACES))
def test_a_full_disk_at_any_write_is_told_and_the_run_goes_on_as_if_nothing_had_been(
    place, host, undisturbed, outcome, tmp_path
):
    # The first write only tests whether writing is possible.
    error, file = refusal_at(1 + (len(undisturbed[1]) - 1) * place // PLACES, host, tmp_path)
    assert file.removesuffix(".unfinished") in error.message
    assert os.strerror(errno.ENOSPC) in error.message
    assert "free space on the disk of" in error.hint
    assert "\n" not in error.message
    folder = RunFolder(tmp_path / "run")
    named = re.search(r"the last complete checkpoint is (\S+)$", error.message)
    is_claimed = "the run folder is not writable" not in error.message
    assert named or not is_claimed or error.message.endswith("no epoch had been saved")
    assert bool(named) == bool(folder.checkpoints.exists() and folder.latest_checkpoint())
    assert not named or Path(named[1]).is_dir()
    has_begun = folder.recipe.exists()
    assert ("--resume" in error.hint) == has_begun
    reorder_kit.run(RECIPE, out=folder.path, resume=has_begun, host=host)
    assert outcome(folder.path) == outcome(undisturbed[0])


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_whatever_the_system_says_is_passed_on(code, host, tmp_path):
    error, _ = refusal_at(60, host, tmp_path, code)
    assert os.strerror(code) in error.message
    assert CODES[code] in error.hint


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_there_is_something_to_do_about_every_failure(code, tmp_path):
    file = tmp_path / "file"
    told = error_of_machine(OSError(code, os.strerror(code), str(file)))
    assert told.message == f"{file}: {os.strerror(code)}"
    assert CODES[code] in told.hint
    with pytest.raises(ReorderKitError, match="cannot be written: ") as error, writing(file):
        raise OSError(code, os.strerror(code))
    assert error.value.message == f"{file}: cannot be written: {os.strerror(code)}"
    assert CODES[code] in error.value.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (RuntimeError("unable to write to file </torch_1>: No space left on device (28)"), errno.ENOSPC),
        (RuntimeError("DefaultCPUAllocator: error code 12 (Cannot allocate memory)"), errno.ENOMEM),
        (MemoryError(), errno.ENOMEM),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_libraries_make_of_it_is_understood(error, code):
    assert error_of_machine(error).message == os.strerror(code)


@pytest.mark.parametrize(
    "error",
    [ValueError("wrong"), FileNotFoundError(errno.ENOENT, "No such file", "elsewhere"), OSError("broken data stream")],
    ids=repr,
)
def test_a_bug_is_no_failing_machine(error, tmp_path):
    assert error_of_machine(error, tmp_path) is None


def test_a_cause_counts_and_what_was_caught_before_does_not():
    def raised(cause):
        try:
            try:
                raise OSError(errno.ENOSPC, "full")
            except OSError as error:
                raise KeyError("wrapped") from (error if cause else None)
        except KeyError as error:
            return error_of_machine(error)

    assert raised(cause=True).message == os.strerror(errno.ENOSPC)
    assert raised(cause=False) is None


def test_the_free_space_is_told(tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(total=20_000_000, used=20_000_000, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert says(MachineFailure(errno.ENOSPC).remedy(tmp_path / "gone"), str(tmp_path), "0 of 20 MB are free")
    usage = usage._replace(free=10**9, total=2 * 10**9)
    assert says(MachineFailure(errno.ENOSPC).remedy(tmp_path), "1,000 of 2,000 MB", "too many files")


def test_files_larger_than_the_system_allows(host, tmp_path, undisturbed, outcome):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, usual[1]))
        with pytest.raises(ReorderKitError, match=r"run/\S+: File too large; no epoch had been saved") as told:
            reorder_kit.run(RECIPE, out=tmp_path / "run", host=host)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "ulimit -f" in told.value.hint
    reorder_kit.run(RECIPE, out=tmp_path / "run", resume=True, host=host)
    assert outcome(tmp_path / "run") == outcome(undisturbed[0])


class AfterEpochOne:
    """Does something to the run."""

    def __init__(self, do):
        self.do = do

    @hookimpl
    def epoch_finished(self, run, epoch, record):
        if epoch == 1:
            self.do(run)


def test_a_folder_that_is_deleted_during_training_is_told(tmp_path):
    host = host_with(AfterEpochOne(lambda run: shutil.rmtree(run.directory)))
    with pytest.raises(ReorderKitError, match=f"{tmp_path}/run/.*No such file or directory; no epoch had been saved"):
        reorder_kit.run(RECIPE, out=tmp_path / "run", host=host)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    def replace(run):
        shutil.rmtree(run.directory)
        run.directory.touch()

    with pytest.raises(ReorderKitError, match=f"{tmp_path}/run/.*Not a directory; no epoch had been saved"):
        reorder_kit.run(RECIPE, out=tmp_path / "run", host=host_with(AfterEpochOne(replace)))


def test_a_listener_without_space_does_not_stop_the_run_and_is_told_in_a_line(tmp_path):
    def draw(run):
        write_whole(run.directory / "not" / "there.png", b"")

    def fill(run):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.directory / "picture.png"))

    full = reorder_kit.run(RECIPE, out=tmp_path / "full", host=host_with(AfterEpochOne(fill)))
    told = full.warnings[0]
    assert says(told, "the run continues", "picture.png: No space left on device", "free space")
    assert "Traceback" not in told
    wrong = reorder_kit.run(RECIPE, out=tmp_path / "wrong", host=host_with(AfterEpochOne(draw)))
    assert "Traceback" in wrong.warnings[0]  # a mistake of the listener's


def test_the_command_ends_with_2_and_the_command_that_it_names_goes_on(tmp_path, monkeypatch, undisturbed, outcome):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    with failing_machine(tmp_path / "runs", 60):
        done = CliRunner().invoke(app, ["run", "small.yaml", "--quiet"])
    assert done.exit_code == 2
    error, hint = done.stderr.splitlines()
    assert says(error, "error: the run stopped: runs/small/", "the last complete checkpoint is runs/small/checkpoints/")
    command = shlex.split(hint.partition("then resume with: ")[2])
    assert command == ["reorder-kit", "run", "runs/small/recipe.yaml", "--out", "runs/small", "--resume"]
    again = CliRunner().invoke(app, command[1:])
    assert again.exit_code == 0, again.output
    assert outcome(tmp_path / "runs" / "small") == outcome(undisturbed[0])


def never(*arguments, **options):
    pytest.fail("something was computed")


@pytest.mark.parametrize(
    ("arguments", "computes"),
    [
        (["bench", "planted", "--out", "file/runs.jsonl"], "reorder_kit.benchmark.planted.run_benchmark"),
        (["bench", "planted", "--out", "folder"], "reorder_kit.benchmark.planted.run_benchmark"),
        (["bench", "planted", "--out", "/dev/full"], "reorder_kit.benchmark.planted.run_benchmark"),
        (["bench", "planted", "--figures", "file"], "reorder_kit.benchmark.planted.run_benchmark"),
        (["transfer", "small.yaml", "small.yaml", "--out", "file"], "reorder_kit.transfer.run_transfer.plan_transfer"),
        (["prior", "small.yaml", "--fit-vq", "--vq-out", "file/vq"], "reorder_kit.analysis.ranked_recipe.rank_recipe"),
        (["prior", "small.yaml", "--fit-vq", "--vq-out", "folder"], "reorder_kit.analysis.ranked_recipe.rank_recipe"),
        (["report", "folder", "--out", "file"], "reorder_kit.reports.write.page_of"),
        (["study", "quick", "--out", "file"], "reorder_kit.studies.run_study.StudyRun.perform"),
        (["run", "small.yaml", "--out", "file/run"], "reorder_kit.training.run.open_data"),
        (["show-order", "row", "--grid", "2x2", "--png", "file/a.png"], "reorder_kit.figures.order_path.draw_order"),
        (["show-order", "row", "--grid", "2x2", "--png", "a.pgn"], "reorder_kit.experiment.find_order.find_order"),
        (["show-order", "row", "--grid", "2x2", "--png", "a"], "reorder_kit.experiment.find_order.find_order"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_written_is_refused_before_anything_is_computed(arguments, computes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(computes, never)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert says(done.stderr, *(["file"] if "file" in " ".join(arguments) else [arguments[-1]]))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("require", [require_writable_file, require_writable_folder])
def test_a_place_is_tried_and_left_as_it_was(require, tmp_path):
    require(tmp_path / "new" / "place")
    assert list(tmp_path.iterdir()) == []
    with failing_machine(tmp_path, 0, errno.EROFS), pytest.raises(ReorderKitError, match="Read-only") as told:
        require(tmp_path / "new" / "place")
    assert "read-only" in told.value.hint


def test_a_trial_that_another_process_removes_is_no_failure(tmp_path, monkeypatch):
    open_file = Path.open

    def opened(self, *arguments):
        file = open_file(self, *arguments)
        self.unlink()
        return file

    monkeypatch.setattr(Path, "open", opened)
    require_writable_folder(tmp_path)


def test_a_file_that_is_there_is_not_changed(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    require_writable_file(file)
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", range(3))
def test_a_whole_file_is_as_it_was_where_there_is_no_space(write, tmp_path):
    file = tmp_path / "file"
    file.write_text("before")
    with failing_machine(tmp_path, write), pytest.raises(OSError, match="No space left") as error:
        write_whole(file, "after")
    assert error.value.filename == str(file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
