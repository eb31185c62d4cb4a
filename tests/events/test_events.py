import io
import os
import sys
from dataclasses import replace
from importlib.util import find_spec

import pluggy
import pytest
import torch
from PIL import Image
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from made_results import epoch_record, figures, run_order, run_result
from reorder_kit import hookspecs
from reorder_kit.cli._run_progress import ConsoleProgress
from reorder_kit.events import pictures, tensorboard
from reorder_kit.figures import order_path
from reorder_kit.interfaces.run_events import RunInfo, StepReport
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from says import says


def listeners(*plugins):
    host = pluggy.PluginManager(hookspecs.PROJECT)
    host.add_hookspecs(hookspecs)
    for plugin in plugins:
        host.register(plugin)
    host.check_pending()
    return host.hook


def run_info(directory, name="quickstart", reached=5, epochs=3, first_epoch=1):
    return RunInfo(
        name=name,
        directory=directory,
        grid=Grid(4, 4),
        start=Order.identity(16),
        reach=torch.arange(16) >= 16 - reached,
        num_slots=16,
        headline="top1",
        higher_is_better=True,
        classes=["zero", "one"],
        epochs=epochs,
        steps_per_epoch=10,
        first_epoch=first_epoch,
        device="cpu",
        parameters=27690,
    )


RESULT = run_result(top1=0.9375)
EPOCHS = {name: [epoch_record(epoch) for epoch in (1, 2, 3)] for name in ("quickstart", "fixed-start")}


# Pictures

UNREAD, FIRST_RUN, SECOND_RUN = (228, 229, 234), (0, 114, 178), (213, 94, 0)


@pytest.fixture
def finished(tmp_path):
    """The folder of a run."""
    OrderFile("quickstart", Grid(4, 4), Order(list(reversed(range(16))))).save(tmp_path / "order.json")
    return tmp_path


def drawn(path, colour):
    """How many pixels have exactly this color."""
    picture = Image.open(path).convert("RGB")
    return sum(count for count, found in picture.getcolors(picture.width * picture.height) if found == colour)


def test_a_finished_run_leaves_its_order_and_its_curves_as_pictures(finished):
    listeners(pictures).run_finished(run=run_info(finished), result=RESULT, epochs=EPOCHS)
    assert {path.name for path in finished.glob("*.png")} == {"order.png", "curves.png"}
    assert drawn(finished / "order.png", UNREAD) > 10_000
    assert drawn(finished / "curves.png", FIRST_RUN) > 100
    assert drawn(finished / "curves.png", SECOND_RUN) > 100


def test_where_every_slot_is_read_no_patch_is_marked_as_unread(finished):
    listeners(pictures).run_finished(run=run_info(finished, reached=16), result=RESULT, epochs=EPOCHS)
    assert drawn(finished / "order.png", UNREAD) < 100


def test_without_one_order_for_all_images_there_are_curves_only(finished):
    (finished / "order.json").unlink()
    listeners(pictures).run_finished(run=run_info(finished), result=RESULT, epochs=EPOCHS)
    assert [path.name for path in finished.glob("*.png")] == ["curves.png"]


def test_a_consensus_is_called_one_and_drawn_with_examples(finished, monkeypatch):
    titles = []
    monkeypatch.setattr(
        order_path, "draw_order", lambda order, grid, path, *, title, reach: titles.append((path.name, title))
    )
    examples = (Order.identity(16), Order(list(reversed(range(16)))))
    # Even a consensus equal to the start is not an order that the run kept.
    OrderFile("quickstart", Grid(4, 4), Order.identity(16), 0.25, examples).save(finished / "order.json")
    listeners(pictures).run_finished(run=run_info(finished), result=RESULT, epochs=EPOCHS)
    assert titles == [
        ("order.png", "quickstart: consensus of the images' orders after 3 epochs, mean distance to it 0.250"),
        ("order-example-1.png", "quickstart: order of one image"),
        ("order-example-2.png", "quickstart: order of one image"),
    ]


def test_patches_without_a_slot_are_drawn_as_unread(finished):
    half = torch.ones(8, dtype=torch.bool)
    OrderFile("quickstart", Grid(4, 4), Order(list(range(8)), 16)).save(finished / "order.json")
    listeners(pictures).run_finished(
        run=replace(run_info(finished), reach=half, num_slots=8), result=RESULT, epochs=EPOCHS
    )
    assert drawn(finished / "order.png", UNREAD) > 10_000


# TensorBoard


def scalars(directory):
    """Step and value of every point by name, as read by TensorBoard itself."""
    events = EventAccumulator(str(directory / "tensorboard"))
    events.Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_shows_the_figures_of_every_epoch(tmp_path):
    hook = listeners(tensorboard)
    for epoch in range(1, 12):
        hook.epoch_finished(run=run_info(tmp_path, epochs=11), epoch=epoch, record=epoch_record(epoch, top1=epoch / 16))
    shown = scalars(tmp_path)
    assert set(shown) == {
        "train/loss",
        "train/lr",
        "validation/loss",
        "validation/images",
        "validation/top1",
        "order/kendall_tau_to_start",
        "order/mean_rank_shift",
        "order/adjacency",
        "order/kendall_tau_to_last_epoch",
        "policy/temperature",
        "seconds",
        "images_per_second",
    }
    assert shown["validation/top1"] == [(epoch, epoch / 16) for epoch in range(1, 12)]


def test_epochs_that_a_resumed_run_repeats_are_shown_once(tmp_path):
    hook = listeners(tensorboard)
    for epoch, top1 in ((1, 0.25), (2, 0.5), (3, 0.75), (2, 0.625), (3, 0.875), (4, 1.0)):
        hook.epoch_finished(run=run_info(tmp_path, epochs=4), epoch=epoch, record=epoch_record(epoch, top1=top1))
    assert scalars(tmp_path)["validation/top1"] == [(1, 0.25), (2, 0.625), (3, 0.875), (4, 1.0)]


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_figures_after_a_record_that_a_kill_cut_short_are_shown(kept, tmp_path):
    hook = listeners(tensorboard)
    hook.epoch_finished(run=run_info(tmp_path, epochs=3), epoch=1, record=epoch_record(1, top1=0.25))
    (file,) = (tmp_path / "tensorboard").iterdir()
    whole = file.stat().st_size
    hook.epoch_finished(run=run_info(tmp_path, epochs=3), epoch=2, record=epoch_record(2, top1=0.5))
    os.truncate(file, whole + int(kept * (file.stat().st_size - whole)))
    hook.run_started(run=run_info(tmp_path, epochs=3))
    for epoch, top1 in ((2, 0.5), (3, 0.75)):
        hook.epoch_finished(run=run_info(tmp_path, epochs=3), epoch=epoch, record=epoch_record(epoch, top1=top1))
    assert scalars(tmp_path)["validation/top1"] == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_whole_file_of_figures_is_left_alone(tmp_path):
    hook = listeners(tensorboard)
    hook.run_started(run=run_info(tmp_path))
    hook.epoch_finished(run=run_info(tmp_path), epoch=1, record=epoch_record(1))
    (file,) = (tmp_path / "tensorboard").iterdir()
    before = file.read_bytes()
    hook.run_started(run=run_info(tmp_path))
    assert file.read_bytes() == before


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None if name == "tensorboard" else find_spec(name))
    listeners(tensorboard).epoch_finished(run=run_info(tmp_path), epoch=1, record=epoch_record(1))
    assert list(tmp_path.iterdir()) == []


# The console


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def play(console, run, clock=None, seconds_per_epoch=2.0, fails_in=None):
    """The events of a run, from its first epoch to its last."""
    clock = clock or Clock()
    with ConsoleProgress(console, seconds_between_lines=3.0, clock=clock) as progress:
        hook = listeners(progress)
        hook.run_started(run=run)
        for epoch in range(run.first_epoch, run.epochs + 1):
            accuracy = None if epoch == 1 else 0.875
            step = (epoch - 1) * run.steps_per_epoch + 1
            hook.step_finished(run=run, report=StepReport(step, 1.5, accuracy, 12340.4))
            if epoch == fails_in:
                raise RuntimeError("the run fails")
            clock.now += seconds_per_epoch
            hook.epoch_finished(run=run, epoch=epoch, record=epoch_record(epoch))
        hook.run_finished(run=run, result=RESULT, epochs=EPOCHS)


@pytest.fixture
def log():
    return Console(file=io.StringIO(), width=40, force_terminal=False, color_system=None, _environ={})


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=100, force_terminal=True, _environ={"TERM": "xterm"})


def test_a_log_gets_plain_lines(log, tmp_path):
    play(log, run_info(tmp_path))
    assert log.file.getvalue().splitlines() == [
        "quickstart: cpu, 27,690 parameters, 4x4 grid, epochs: 3",
        "  5 of 16 slots reach the readout: an order also selects patches here",
        "quickstart: epoch 1/3, loss 0.250, validation top1 0.875, 12,340 images/s, 0:00:04 left",
        "quickstart: epoch 3/3, loss 0.250, validation top1 0.875, 12,340 images/s",
        "quickstart: test top1 0.938",
    ]


@pytest.mark.parametrize(
    ("reach", "num_slots", "line"),
    [
        (None, 16, "patches are ordered again before a later block: which slots reach the readout is not known"),
        (
            torch.ones(8, dtype=torch.bool),
            8,
            "8 of 8 slots reach the readout, and 8 of 16 patches have no slot: an order also selects patches here",
        ),
    ],
)
def test_slots_of_which_less_is_known_or_that_are_fewer(log, tmp_path, reach, num_slots, line):
    play(log, replace(run_info(tmp_path), reach=reach, num_slots=num_slots))
    assert log.file.getvalue().splitlines()[1] == f"  {line}"


def test_the_spread_of_a_consensus_is_said_at_the_end(log, tmp_path):
    result = run_result(order=run_order(is_consensus=True, spread=0.25, examples=[]))
    with ConsoleProgress(log) as progress:
        listeners(progress).run_finished(run=run_info(tmp_path), result=result, epochs=EPOCHS)
    assert says(log.file.getvalue().splitlines()[1], "own order", "Kendall distance", "consensus", "0.250")


def test_an_order_that_selects_nothing_is_not_called_a_selection(log, tmp_path):
    play(log, run_info(tmp_path, reached=16))
    assert log.file.getvalue().splitlines()[1] == "  all 16 slots reach the readout"


def test_slow_epochs_get_a_line_each_and_an_estimate_from_the_epochs_run_here(log, tmp_path):
    play(log, run_info(tmp_path, epochs=6, first_epoch=4), seconds_per_epoch=3600.0)
    lines = log.file.getvalue().splitlines()
    assert lines[1] == "  resumes at epoch 4"
    assert [line.partition("images/s")[2] for line in lines[3:6]] == [", 2:00:00 left", ", 1:00:00 left", ""]


def test_a_log_holds_no_control_characters(log, tmp_path):
    play(log, run_info(tmp_path, name="[bold]quickstart/controls/fixed-start"))
    written = log.file.getvalue()
    assert "[bold]quickstart" in written
    assert all(character.isprintable() or character == "\n" for character in written)


@pytest.mark.parametrize("kind", ["log", "terminal"])
def test_images_that_could_not_be_read_are_named_after_their_epoch(kind, tmp_path, request):
    console, run = request.getfixturevalue(kind), run_info(tmp_path)
    torn = figures(top1=0.5, unreadable=["3.png", "4.png"])
    epochs = [{}, {"unreadable": ("[b].png",)}, {"unreadable": ("1.png", "2.png"), "validation": torn}]
    with ConsoleProgress(console, clock=Clock()) as progress:
        hook = listeners(progress)
        hook.run_started(run=run)
        for epoch, unreadable in enumerate(epochs, start=1):
            hook.epoch_finished(run=run, epoch=epoch, record=epoch_record(epoch, **unreadable))
    written = console.file.getvalue()
    assert "quickstart: epoch 2/3, 1 image could not be read: [b].png\n" in written
    assert "quickstart: epoch 3/3, 4 images could not be read: 1.png, 2.png, 3.png and 1 more\n" in written
    assert written.count("could not be read") == 2


def test_a_terminal_shows_epoch_loss_accuracy_and_speed(terminal, tmp_path):
    play(terminal, run_info(tmp_path))
    written = terminal.file.getvalue()
    assert "epoch 3/3" in written
    assert "loss 0.250, validation top1 0.875, 12,340 images/s" in written
    assert "\x1b[?25l" in written
    assert written.rstrip().endswith("test top1 0.938")


@pytest.mark.parametrize("fails_in", [None, 2])
def test_a_terminal_gets_its_cursor_back(terminal, tmp_path, fails_in):
    stdout, stderr = sys.stdout, sys.stderr
    if fails_in:
        with pytest.raises(RuntimeError, match="the run fails"):
            play(terminal, run_info(tmp_path), fails_in=fails_in)
    else:
        play(terminal, run_info(tmp_path))
    written = terminal.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


def test_a_control_follows_its_run_on_the_same_console(terminal, tmp_path):
    run, control = run_info(tmp_path), run_info(tmp_path, name="quickstart/controls/fixed-start")
    with ConsoleProgress(terminal) as progress:
        hook = listeners(progress)
        for each in (run, control):
            hook.run_started(run=each)
            for epoch in (1, 2, 3):
                hook.epoch_finished(run=each, epoch=epoch, record=epoch_record(epoch))
        hook.run_finished(run=control, result=RESULT, epochs=EPOCHS)
        hook.run_finished(run=run, result=RESULT, epochs=EPOCHS)
    written = terminal.file.getvalue()
    assert written.count("parameters") == 2
    assert written.index("fixed-start: test top1") < written.index("quickstart: test top1")
