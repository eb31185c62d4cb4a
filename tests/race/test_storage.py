"""The shared storage of workers: a journal file or a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.race.candidate import Candidate, Trial
from reorder_kit.race.storage import RaceStorage

TRIAL = Trial(Candidate("row", (0, 1), 2), 0, 30)
Open = Callable[[], RaceStorage]


@pytest.fixture(params=["journal", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    url = f"sqlite:///{tmp_path}/race.db" if request.param == "sqlite" else None
    return lambda: RaceStorage(tmp_path / "journal.log", url, "a-race")


def test_a_trial_that_a_killed_worker_left_is_taken_over(opened: Open) -> None:
    with opened() as killed:
        number = killed.begin(TRIAL)
        assert killed.finished() == {}
    with opened() as other, opened() as third:
        assert other.begin(TRIAL) == number
        other.tell(number, 0.25)
        assert third.finished()[TRIAL.key].loss == 0.25
        assert third.begin(Trial(TRIAL.candidate, 1, 30)) != number


def test_two_races_in_one_database_do_not_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/race.db"
    with RaceStorage(tmp_path / "j", url, "one") as one, RaceStorage(tmp_path / "j", url, "two") as two:
        one.tell(one.begin(TRIAL), 1.0)
        assert two.finished() == {}


def test_a_line_that_a_kill_tore_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    with RaceStorage(journal, None, "race") as storage, RaceStorage(journal, None, "race") as other:
        number = storage.begin(TRIAL)
        with journal.open("ab") as file:
            file.write(b'{"op_code": 5, "worker')
        other.tell(number, 0.5)
        assert storage.finished()[TRIAL.key].loss == 0.5
    with RaceStorage(journal, None, "race") as again:
        assert again.finished()[TRIAL.key].loss == 0.5


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", r"--storage: the database \(nonsense\) cannot be used"),
        ("sqlite:////no/such/folder/race.db", r"--storage: the database \(sqlite\) cannot be used"),
    ],
)
def test_a_database_that_is_none_is_refused(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=told):
        RaceStorage(tmp_path / "j", url, "race")


def test_a_password_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError) as caught:
        RaceStorage(tmp_path / "j", "postgresql+nodriver://me:secret@nowhere/race", "race")
    assert "secret" not in str(caught.value)
