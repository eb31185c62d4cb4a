"""Data sets that the library ``datasets`` loads: from a folder, from the hub, or what was fetched from there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from reorder_kit.errors import ReorderKitError

_SAVED = ("dataset_dict.json", "state.json")
"""One of them is in a folder that ``save_to_disk`` wrote."""
_CARDS = ("README.md", ".huggingface.yaml")
"""Where a folder can say which files belong to it; these may be anywhere."""
_LONGEST_CARD = 1_000_000


def load_splits(place: Path, config: str | None, revision: str | None, may_download: bool) -> dict[str, Any]:
    """A data set's splits by name.

    Args:
        place: a folder, or the name on the hub.
        config: which of several configurations.
        revision: commit, branch or tag on the hub.
        may_download: fetch what is not there.

    Raises:
        ReorderKitError: if the library is not installed, or there is no such data set.
    """
    try:
        # Imported late: not everyone has it, and it takes seconds.
        import datasets
    except ImportError as error:
        raise ReorderKitError(
            f"data.name: hf needs the package datasets: {error}", "pip install 'reorder-kit[hf]'"
        ) from error
    if place.is_absolute() and not place.is_dir():
        raise ReorderKitError(f"data.dataset: there is no folder {place}")
    is_saved = _is_saved(place)
    for field, value, useless in (
        ("config", config, is_saved),
        ("revision", revision, place.is_dir()),
    ):
        if value is not None and useless:
            raise ReorderKitError(f"data.{field}: a local folder has none", "leave it out")
    if place.is_dir() and not may_download and fetched(place) is not None:
        raise ReorderKitError(f"data.dataset: {place} names files that are elsewhere")
    try:
        with nullcontext() if may_download else _offline(datasets):
            if is_saved:
                loaded = datasets.load_from_disk(str(place))
            else:
                loaded = datasets.load_dataset(str(place), config, revision=revision)
    except Exception as error:
        # OSError is also what a missing network ends in, ValueError a configuration that does not exist, and damaged
        # files raise whatever the library did not think of.
        reason = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)
        raise ReorderKitError(
            f"data.dataset: cannot open {place}: {reason}",
            "a local folder has to exist; a data set of the hub needs its full name, and a network the first time",
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def fetched(place: Path) -> str | None:
    """What is fetched to load a data set, and where to; None if all of it lies in a folder."""
    if not place.is_dir():
        return f"{place} from the Hugging Face hub into the cache of datasets"
    if not _is_saved(place) and any(_names_other_places(place / card) for card in _CARDS):
        return f"files that the card of {place} names into the cache of datasets"
    return None


def _is_saved(place: Path) -> bool:
    return any((place / name).is_file() for name in _SAVED)


def _names_other_places(card: Path) -> bool:
    """Whether the configurations in a card have files with a protocol; so it seems where it cannot be read."""
    if not card.is_file():
        return False
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_CARD)
        head = text.split("---", 2)[1] if card.suffix == ".md" and text.lstrip().startswith("---") else text
        if card.suffix == ".md" and head is text:
            return False  # without a head it says nothing of files
        content = yaml.safe_load(head)
    except (OSError, IndexError, ValueError, RecursionError, yaml.YAMLError):
        return True
    return "://" in "\n".join(_texts(content.get("configs"), set())) if isinstance(content, dict) else False


def _texts(content: Any, seen: set[int]) -> Iterator[str]:
    """All texts in plain data; what an alias repeats is looked at once."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, dict)) and id(content) not in seen:
        seen.add(id(content))
        for each in content.values() if isinstance(content, dict) else content:
            yield from _texts(each, seen)


@contextmanager
def _offline(datasets: Any) -> Iterator[None]:
    """Do what both libraries do where HF_HUB_OFFLINE is set, which they look at once, as they are imported."""
    from huggingface_hub import constants

    flags = [(datasets.config, "HF_HUB_OFFLINE"), (constants, "HF_HUB_OFFLINE")]
    before = [getattr(module, name) for module, name in flags]
    try:
        for module, name in flags:
            setattr(module, name, True)
        yield
    finally:
        for (module, name), value in zip(flags, before, strict=True):
            setattr(module, name, value)
