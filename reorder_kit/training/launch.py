"""Checks that the environment variables of a launcher such as torchrun are complete or absent."""

from __future__ import annotations

from collections.abc import Mapping

from reorder_kit.errors import ReorderKitError

_TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
_WHERE = ("MASTER_ADDR", "MASTER_PORT")
_NUMBERS = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": 1}
_MOST_DIGITS = 9
_HINT = "start with torchrun, which sets all of them, or unset them for a single process: "


def check_launch(environment: Mapping[str, str]) -> None:
    """Refuse an environment in which a process would wait forever for others, or have the wrong rank.

    Args:
        environment: the variables of this process.

    Raises:
        ReorderKitError: naming the variable that is missing or has an impossible value.
    """
    given = {name: environment[name] for name in (*_TOLD, "LOCAL_WORLD_SIZE", *_WHERE) if name in environment}
    told = [name for name in _TOLD if name in given]
    hint = _HINT + " ".join(given)
    if not told:  # other programs use the other names as well
        return
    for name, least in _NUMBERS.items():
        text = given.get(name)
        if text is not None and not (_is_number(text) and int(text) >= least):
            raise ReorderKitError(f"{name}={text!r:.60} must be a whole number of at least {least}", hint)
    numbers = {name: int(given[name]) for name in _NUMBERS if name in given}
    needed = ("RANK", "WORLD_SIZE") if numbers.get("WORLD_SIZE", 2) == 1 else (*_TOLD, *_WHERE)
    missing = [name for name in needed if name not in given]
    if missing:
        raise ReorderKitError(f"{told[0]} is set, but {missing[0]} is not", hint)
    for rank, count in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE"), ("LOCAL_RANK", "WORLD_SIZE")):
        if rank in numbers and count in numbers and numbers[rank] >= numbers[count]:
            raise ReorderKitError(
                f"{rank}={numbers[rank]} must be less than {count}={numbers[count]}: processes count from 0", hint
            )


def require_one_process(environment: Mapping[str, str], command: str, hint: str) -> None:
    """Refuse a launcher that starts several processes for a command of one process.

    Args:
        environment: the variables of this process.
        command: the command.
        hint: how to distribute its work.

    Raises:
        ReorderKitError: if there are several processes, or the launcher's variables are incomplete.
    """
    check_launch(environment)
    processes = int(environment["WORLD_SIZE"]) if any(name in environment for name in _TOLD) else 1
    if processes > 1:
        raise ReorderKitError(f"WORLD_SIZE={processes}: do not start {command} with a launcher such as torchrun", hint)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
