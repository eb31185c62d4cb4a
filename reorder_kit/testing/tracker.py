"""The contract of trackers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reorder_kit.interfaces import TrackedRun, Tracker, TrackerOptions
from reorder_kit.testing.component import COMPONENT_RULES, ComponentCase, OptionsGiven, expect_no_draw, options_of
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule

FIGURES = {"train/loss": 0.25, "validation/top1": 0.5, "seconds": 1.5}
SUMMARY = {"test/top1": 0.75}
FILES = {"order.json": '{"order": [1, 0]}', "metrics.jsonl": '{"epoch": 1}\n'}
"""What is in the run folder."""
_SECRETS = {"apikey", "credential", "credentials", "passphrase", "passwd", "password", "secret", "token"}
_SECRET_KEYS = ("access_key", "api_key", "private_key")


@dataclass(frozen=True)
class TrackerCase(ComponentCase[Tracker]):
    """A tracker, and runs to log."""

    def tracker(self) -> Tracker:
        """A fresh one, as each run has."""
        return self.component(self.options)


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder with some files of a run, which is gone afterward."""
    with TemporaryDirectory(prefix="reorder-kit-") as place:
        for name, content in FILES.items():
            Path(place, name).write_text(content)
        yield Path(place)


def run_in(folder: Path, name: str = "night", is_resumed: bool = False) -> TrackedRun:
    """A run as a tracker sees it."""
    config = {"seed": 0, "backbone": {"name": "local", "patch_size": 2}, "controls": ["fixed-start"]}
    # No other run has its id, except the same run when it resumes.
    number = sha256(f"{folder} {name}".encode()).hexdigest()[:16]
    return TrackedRun(number, name, "night", "run", is_resumed, folder, config, "top1", higher_is_better=True)


def log_epochs(tracker: Tracker, folder: Path, first: int, last: int) -> None:
    """Log some epochs, a note in each, and a file."""
    for epoch in range(first, last + 1):
        tracker.log(epoch, dict(FIGURES))
        tracker.note(epoch, "one image could not be read")
    tracker.save(folder / "order.json")


def _is_secret(option: str) -> bool:
    return bool(_SECRETS & set(option.split("_"))) or any(key in option for key in _SECRET_KEYS)


@rule
def its_options_are_those_of_a_tracker(case: TrackerCase) -> None:
    """Derive ``Options`` from ``TrackerOptions``, and let none be a password or a key: they are written down."""
    own = case.component.Options
    expect(issubclass(own, TrackerOptions), f"{own.__name__} does not derive from TrackerOptions")
    secret = [name for name in own.model_fields if _is_secret(name.lower())]
    expect(not secret, f"the option {', '.join(secret)} would be written into the run folder")


@rule
def says_how_its_library_is_installed(case: TrackerCase) -> None:
    """Give both ``library``, a module, and ``install``, a command; or neither, if it needs no library."""
    library, install = case.component.library, case.component.install
    expect_equal(bool(library), bool(install), f"with the library {library!r}, whether there is a command")


@rule
def logs_a_run_from_its_start_to_its_end(case: TrackerCase) -> None:
    """Take figures of every epoch, notes, files and a summary, one after the other, without an error."""
    with run_folder() as folder:
        tracker = case.tracker()
        tracker.start(run_in(folder))
        tracker.note(0, "before the first epoch")
        log_epochs(tracker, folder, 1, 3)
        tracker.finish("finished", dict(SUMMARY))


@rule
def resumes_a_run_that_was_stopped(case: TrackerCase) -> None:
    """Let another object resume a run, from nothing but what the first one wrote."""
    with run_folder() as folder:
        stopped, resumed = case.tracker(), case.tracker()
        stopped.start(run_in(folder))
        log_epochs(stopped, folder, 1, 2)
        stopped.finish("stopped", {})
        resumed.start(run_in(folder, is_resumed=True))
        log_epochs(resumed, folder, 3, 3)
        resumed.finish("finished", dict(SUMMARY))


@rule
def takes_a_run_that_fails_before_its_first_epoch(case: TrackerCase) -> None:
    """Let ``finish`` work with an empty summary, and when nothing was logged."""
    with run_folder() as folder:
        tracker = case.tracker()
        tracker.start(run_in(folder))
        tracker.finish("failed", {})


@rule
def logs_two_runs_at_once(case: TrackerCase) -> None:
    """Keep everything in the object: a run and its controls each have one, and may be open at the same time."""
    with run_folder() as first, run_folder() as second:
        one, other = case.tracker(), case.tracker()
        one.start(run_in(first))
        other.start(run_in(second, "night/fixed-start"))
        for tracker, folder in ((one, first), (other, second)):
            log_epochs(tracker, folder, 1, 1)
        one.finish("finished", dict(SUMMARY))
        log_epochs(other, second, 2, 2)
        other.finish("finished", dict(SUMMARY))


@rule
def leaves_the_run_as_it_would_be_without_it(case: TrackerCase) -> None:
    """Change no file of the run that was there before, and draw nothing from torch's global random stream."""
    with run_folder() as folder:
        tracker = case.tracker()

        def track() -> None:
            tracker.start(run_in(folder))
            log_epochs(tracker, folder, 1, 2)
            tracker.finish("finished", dict(SUMMARY))

        expect_no_draw(track)
        for name, content in FILES.items():
            file = folder / name
            expect(file.exists() and file.read_text() == content, f"{name} of the run folder is changed")


TRACKER_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    its_options_are_those_of_a_tracker,
    says_how_its_library_is_installed,
    logs_a_run_from_its_start_to_its_end,
    resumes_a_run_that_was_stopped,
    takes_a_run_that_fails_before_its_first_epoch,
    logs_two_runs_at_once,
    leaves_the_run_as_it_would_be_without_it,
)


def tracker_case(tracker: type[Tracker], options: OptionsGiven = None) -> TrackerCase:
    """What the rules of trackers are held to; see :func:`check_tracker`."""
    return TrackerCase(tracker, options_of(tracker, options))


def check_tracker(tracker: type[Tracker], options: OptionsGiven = None) -> None:
    """Hold a tracker to its contract.

    It logs a few small runs, whose folders are removed afterward: give it options that keep the logs on this
    machine.

    Args:
        tracker: the class.
        options: as a recipe gives them; the defaults if not given.

    Raises:
        BrokenRulesError: naming each rule that is broken, what was seen, and what to do.
        ReorderKitError: if the options are refused.
    """
    hold(tracker_case(tracker, options), TRACKER_RULES)
