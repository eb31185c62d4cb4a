import json
import multiprocessing
import socket
import sys
import time
from pathlib import Path

import pytest

from reorder_kit.builtin import MODULES
from reorder_kit.run_folder import RunFolder

TIMINGS = ("seconds", "images_per_second", "environment")


class Children:
    """Processes forked from one that has imported everything already: they start at once."""

    def __init__(self):
        sys.path.insert(0, str(Path(__file__).parent))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*MODULES, "reorder_kit.api", "reorder_kit.tasks._accuracies"])

    def start(self, function, *arguments, **options):
        import child_process

        process = self._context.Process(target=getattr(child_process, function), args=arguments, kwargs=options)
        process.start()
        return process

    def finish(self, *processes):
        """Wait for processes that shall end well."""
        for process in processes:
            process.join(120)
            assert process.exitcode == 0

    def train(self, recipe, out, **options):
        self.finish(self.start("train", recipe, str(out), **options))

    def start_group(self, function, *arguments, **options):
        """Two processes that know of each other."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return [
            self.start(function, *arguments, process=process, processes=2, port=port, **options) for process in range(2)
        ]

    def train_group(self, recipe, out, **options):
        self.finish(*self.start_group("train", recipe, str(out), **options))


@pytest.fixture(scope="session")
def children():
    return Children()


@pytest.fixture
def recipe():
    """A small run with everything in it that draws at random."""
    return {
        "format_version": 1,
        "name": "small",
        "data": {"name": "digits", "batch_size": 200},
        "task": {"name": "watched", "mixup": 0.2},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1, "dropout": 0.1},
        "order": {"start": "row", "learner": {"name": "softsort", "warmup_epochs": 1, "search_epochs": 2}},
        "optimizer": {"lr": 3e-3},
        "train": {"epochs": 4, "ema_decay": 0.9, "device": "cpu"},
    }


@pytest.fixture
def reinforce(recipe):
    learner = {
        "name": "reinforce",
        "warmup_epochs": 1,
        "search_epochs": 2,
        "temperature": {"shape": "constant", "peak": 0.2},
        "groups": 4,
        "baseline": "ema",
    }
    return {**recipe, "order": {"start": "hilbert", "learner": learner}}


@pytest.fixture
def outcome():
    """All that a run folder says, timings and environment aside."""
    return _outcome


def _outcome(path):
    folder = RunFolder(Path(path))
    content = {"metrics": [_without_timings(json.loads(line)) for line in folder.metrics.read_text().splitlines()]}
    content["result"] = _without_timings(json.loads(folder.result.read_text()))
    for file in [*folder.orders.iterdir(), folder.order, *folder.checkpoints.rglob("*.safetensors")]:
        content[str(file.relative_to(folder.path))] = file.read_bytes()
    for control in folder.controls.glob("*"):
        content[control.name] = _outcome(control)
    return content


def _without_timings(figures):
    return {name: figure for name, figure in figures.items() if name not in TIMINGS}


@pytest.fixture
def wait_for_lines():
    def wait(path, count):
        until = time.monotonic() + 120
        while not path.exists() or path.read_text().count("\n") < count:
            assert time.monotonic() < until, f"{path} has not {count} lines"
            time.sleep(0.01)

    return wait
