"""What a launcher such as torchrun says of the processes of a run: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from reorder_kit.errors import ReorderKitError

_TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
_WHERE = ("MASTER_ADDR", "MASTER_PORT")
_NUMBERS = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": 1}
_MOST_DIGITS = 9
_HINT = "start with torchrun, which sets all of them, or unset them for a single process: "


def check_launch(environment: Mapping[str, str]) -> None:
    """Refuse what would wait for processes that never come, or take itself for another one.

    Args:
        environment: the variables of this process.

    Raises:
        ReorderKitError: naming the variable that is missing, or is no possible number.
    """
    given = {name: environment[name] for name in (*_TOLD, "LOCAL_WORLD_SIZE", *_WHERE) if name in environment}
    told = [name for name in _TOLD if name in given]
    hint = _HINT + " ".join(given)
    if not told:  # other programs use the other names as well
        return
    for name, least in _NUMBERS.items():
        text = given.get(name)
        if text is not None and not (_is_number(text) and int(text) >= least):
            raise ReorderKitError(f"{name}={text!r:.60} is not a whole number from {least} on", hint)
    numbers = {name: int(given[name]) for name in _NUMBERS if name in given}
    needed = ("RANK", "WORLD_SIZE") if numbers.get("WORLD_SIZE", 2) == 1 else (*_TOLD, *_WHERE)
    missing = [name for name in needed if name not in given]
    if missing:
        raise ReorderKitError(f"{told[0]} is set, but {missing[0]} is not", hint)
    for rank, count in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE"), ("LOCAL_RANK", "WORLD_SIZE")):
        if rank in numbers and count in numbers and numbers[rank] >= numbers[count]:
            raise ReorderKitError(
                f"{rank}={numbers[rank]} is not below {count}={numbers[count]}: processes count from 0", hint
            )


def require_one_process(environment: Mapping[str, str], command: str, hint: str) -> None:
    """Refuse a launcher that starts several processes for what one process does.

    Args:
        environment: the variables of this process.
        command: what a person called.
        hint: how to share its work.

    Raises:
        ReorderKitError: if there are several, or what the launcher says is incomplete.
    """
    check_launch(environment)
    processes = int(environment["WORLD_SIZE"]) if any(name in environment for name in _TOLD) else 1
    if processes > 1:
        raise ReorderKitError(f"WORLD_SIZE={processes}: {command} is not started by a launcher such as torchrun", hint)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
