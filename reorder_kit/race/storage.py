"""What the workers of a race know together: Optuna's storage, in a journal file or a database."""

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
    """What is known of a finished trial.

    Args:
        loss: mean validation loss.
        seconds: from its beginning to its end; of one that was taken over, with the time between.
    """

    loss: float
    seconds: float


class RaceStorage:
    """The trials of a race in Optuna's storage.

    Whose turn it is to train a trial is decided by the lock of its folder, which a killed worker lets go; the storage
    says which trials are finished, and is what optuna-dashboard shows.

    Source: https://optuna.readthedocs.io/en/stable/reference/storages.html

    Args:
        journal: the file, if no database is given.
        url: of a database, as SQLAlchemy writes it.
        name: of the race in the storage.

    Raises:
        ReorderKitError: if the storage cannot be used.
    """

    def __init__(self, journal: Path, url: str | None, name: str) -> None:
        with _in_words(url):
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)  # its messages are not for whoever runs a race

            self._storage = _database(url) if url else _journal(journal)
            self._study = optuna.create_study(
                storage=self._storage, study_name=name, direction="minimize", load_if_exists=True
            )

    def close(self) -> None:
        """Let the connection to a database go."""
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
        """The number of a trial that is to be trained now: a new one, or that of a worker that was killed.

        Args:
            trial: which one; nobody else trains it.
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
        """Say that a trial is finished.

        Args:
            number: that :meth:`begin` gave.
            loss: mean validation loss.
        """
        self._study.tell(number, loss)


def _journal(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class KernelLock:
        """One that the system frees when its process is killed. Whoever holds it first cuts off a torn line."""

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
    """Remove what a worker was writing when it was killed: the next line would be glued to it."""
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
    """Refuse what is no URL of a database, before anything is computed.

    Raises:
        ReorderKitError: without the URL, which may hold a password.
    """
    with _in_words(url):
        from sqlalchemy.engine import make_url

        make_url(url)


def require_database(url: str) -> None:
    """Refuse a database that cannot be used; what Optuna needs is made in it.

    Raises:
        ReorderKitError: without the URL, which may hold a password.
    """
    with _in_words(url):
        storage = _database(url)
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _in_words(url: str | None) -> Iterator[None]:
    """Say why a storage cannot be used. Its URL, which may hold a password, is not shown."""
    try:
        yield
    except ReorderKitError:
        raise
    except ImportError as error:
        raise ReorderKitError(f"the storage of the race needs a library: {error}", "install it with pip") from None
    except Exception as error:  # SQLAlchemy's, of any kind
        if url is None:
            raise
        kind = url.partition(":")[0][:20]
        reason = type(error.__cause__ or error).__name__
        raise ReorderKitError(
            f"--storage: the database ({kind}) cannot be used: {reason}",
            "give a URL as in sqlite:///race.db, or leave --storage out: a file in the race folder serves as well",
        ) from None
