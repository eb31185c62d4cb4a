"""Progress of a race for people: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from reorder_kit.race.standing import Standing


class RaceProgress:
    """A context that shows the progress of a race by its finished training steps.

    Args:
        console: the console to write to; without a terminal, each change is a line instead of a bar.
        standing: the standing at the beginning.
    """

    def __init__(self, console: Console, standing: Standing) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._console, self._done, self._is_timed = console, -1, standing.seconds_of_a_step is not None
        self._bar = Progress(
            TaskProgressColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[stage]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            redirect_stdout=False,  # standard output is for results and may be a file
            disable=not console.is_interactive,
            speed_estimate_period=3600,
        )
        self._task = self._bar.add_task("race", total=standing.steps, completed=standing.steps_done, stage="")

    def __enter__(self) -> RaceProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, standing: Standing) -> None:
        """Show the current standing."""
        if not self._is_timed and standing.seconds_of_a_step is not None:
            self._is_timed = True
            self._print(self._cost_in_seconds(standing, standing.seconds_of_a_step))
        done = standing.steps_done
        if done != self._done and not self._console.is_interactive:
            self._print(f"{done / standing.steps:.0%} {standing.stage}")
        self._done = done
        self._bar.update(self._task, completed=done, stage=standing.stage)

    def _cost_in_seconds(self, standing: Standing, seconds_of_a_step: float) -> str:
        from reorder_kit.race.wording import seconds_in_words

        race = seconds_in_words(standing.setup.plan.steps, seconds_of_a_step)
        in_all = seconds_in_words(standing.steps, seconds_of_a_step)
        proof = f", with the proof {in_all}" if standing.seeds else ""
        return f"judging by the first trial, the race takes {race} of training on one worker{proof}"

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
