"""The folder of a race."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reorder_kit.orders.checksums import require_digest
from reorder_kit.race.candidate import Candidate, Trial
from reorder_kit.race.results import RaceResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.test_scores import Scores
from reorder_kit.runs.trial_files import read_trial


@dataclass(frozen=True)
class RaceFolder:
    """The paths of a race's folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def setup(self) -> Path:
        """The setup of the race, which every worker follows."""
        return self.path / "setup.json"

    @property
    def journal(self) -> Path:
        """Optuna's storage if no database is given."""
        return self.path / "journal.log"

    @property
    def splits(self) -> Path:
        """The names of the images, shared by all trainings."""
        return self.path / "splits" / "race.jsonl.gz"

    @property
    def results(self) -> Path:
        """The results; exists only once the race is over."""
        return self.path / "race.json"

    @property
    def order(self) -> Path:
        """The winner; exists only once the race is over."""
        return self.path / "order.json"

    @property
    def jobs(self) -> Path:
        """The output of cluster jobs."""
        return self.path / "jobs"

    def trial(self, trial: Trial) -> Path:
        """The folder of a short training."""
        return self.path / "trials" / trial.key

    def order_of(self, candidate: Candidate) -> Path:
        """The order file of a candidate that is trained at full length."""
        return self.path / "proof" / f"{candidate.key}.json"

    def proof(self, candidate: Candidate, steps: int, number: int) -> RunFolder:
        """The folder of a proof run of the winner or of another contender."""
        return RunFolder(self.path / "proof" / f"{candidate.key}-steps-{steps}" / f"seed-{number}")

    def losses(self, trial: Trial) -> Scores:
        """The loss of each judged image in a finished trial.

        Raises:
            ReorderKitError: if a file is missing or damaged.
        """
        return read_trial(self.trial(trial))[1]

    def seconds(self, trial: Trial) -> float:
        """The training time of a finished trial.

        Raises:
            ReorderKitError: if a file is missing or damaged.
        """
        return read_trial(self.trial(trial))[0].seconds

    def read_results(self) -> RaceResult:
        """Read the results, with the winning order.

        Raises:
            ReorderKitError: if the race is not over, or a file is damaged.
        """
        results = RaceResult.read(self.results)
        for file in (self.order, self.recipe, self.setup):
            require_digest(file, results.files.get(file.name), self.results)
        return results

    @property
    def is_race(self) -> bool:
        """Whether the folder holds a prepared race."""
        return self.setup.exists()
