"""The shared knowledge of a race's workers: Optuna's storage, in a journal file or a database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.race.candidate import Trial
from reorder_kit.runs.folder_lock import Lock

_KEY = "trial"


@dataclass(frozen=True)
class Told:
    """The result of a finished trial.

    Args:
        loss: mean validation loss.
        seconds: time from its start to its end; for a trial that another worker took over, including the time between.
    """

    loss: float
    seconds: float


class RaceStorage:
    """The trials of a race in Optuna's storage.

    The lock of a trial's folder decides which worker trains it; a killed worker releases the lock. The storage says
    which trials are finished, and is what optuna-dashboard shows.

    Source: https://optuna.readthedocs.io/en/stable/reference/storages.html

    Args:
        journal: the journal file, used if no database is given.
        url: URL of a database, in SQLAlchemy's form.
        name: name of the race in the storage.

    Raises:
        ReorderKitError: if the storage cannot be used.
    """

    def __init__(self, journal: Path, url: str | None, name: str) -> None:
        with _in_words(url):
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)  # its messages are not meant for users of races

            self._storage = _database(url) if url else _journal(journal)
            self._study = optuna.create_study(
                storage=self._storage, study_name=name, direction="minimize", load_if_exists=True
            )

    def close(self) -> None:
        """Close the connection to the database."""
        engine = getattr(self._storage, "engine", None)
        if engine is not None:
            self._storage.remove_session()
            engine.dispose()

    def __enter__(self) -> RaceStorage:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def finished(self) -> dict[str, Told]:
        """The finished trials by key."""
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {
            str(trial.user_attrs[_KEY]): Told(float(trial.value), trial.duration.total_seconds())
            for trial in trials
            if trial.value is not None and trial.duration is not None
        }

    def begin(self, trial: Trial) -> int:
        """Begin a trial and return its number: a new one, or that of a worker that was killed.

        Args:
            trial: the trial, which no other worker is training.
        """
        from optuna.trial import TrialState

        for each in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if each.user_attrs.get(_KEY) == trial.key:
                return int(each.number)
        asked = self._study.ask()
        described: Mapping[str, Any] = {
            "order": trial.candidate.name,
            "patches": list(trial.candidate.indices),
            "steps": trial.steps,
            "seed": trial.number,
            _KEY: trial.key,
        }
        for name, value in described.items():
            asked.set_user_attr(name, value)
        return int(asked.number)

    def tell(self, number: int, loss: float) -> None:
        """Record that a trial is finished.

        Args:
            number: the number that :meth:`begin` returned.
            loss: mean validation loss.
        """
        self._study.tell(number, loss)


def _journal(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class KernelLock:
        """A lock that the system frees when its process is killed. Whoever acquires it first cuts off a torn line."""

        def __init__(self) -> None:
            self._lock = Lock(path.with_name(f".{path.name}.lock"))

        def acquire(self) -> bool:
            self._lock.take(wait=True)
            _cut_torn_line(path)
            return True

        def release(self) -> None:
            self._lock.close()

    lock: Any = KernelLock()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_torn_line(path: Path) -> None:
    """Remove a line that a killed worker left incomplete, because the next line would be appended to it."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)


def _database(url: str) -> Any:
    from optuna.storages import RDBStorage

    return RDBStorage(url)


def require_url(url: str) -> None:
    """Refuse an invalid database URL before anything is computed.

    Raises:
        ReorderKitError: without the URL, which may hold a password.
    """
    with _in_words(url):
        from sqlalchemy.engine import make_url

        make_url(url)


def require_database(url: str) -> None:
    """Refuse a database that cannot be used; Optuna's tables are created in it.

    Raises:
        ReorderKitError: without the URL, which may hold a password.
    """
    with _in_words(url):
        storage = _database(url)
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _in_words(url: str | None) -> Iterator[None]:
    """Explain why a storage cannot be used, without showing its URL, which may hold a password."""
    try:
        yield
    except ReorderKitError:
        raise
    except ImportError as error:
        raise ReorderKitError(f"the storage of the race needs a library: {error}", "install it with pip") from None
    except Exception as error:  # any error of SQLAlchemy
        if url is None:
            raise
        kind = url.partition(":")[0][:20]
        reason = type(error.__cause__ or error).__name__
        raise ReorderKitError(
            f"--storage: the database ({kind}) cannot be used: {reason}",
            "give a URL such as sqlite:///race.db, or leave --storage out to use a file in the race folder",
        ) from None
