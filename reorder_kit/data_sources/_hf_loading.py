"""Data sets loaded by the library ``datasets``: from a folder, from the hub, or from its cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from reorder_kit.errors import ReorderKitError

_SAVED = ("dataset_dict.json", "state.json")
"""A folder written by ``save_to_disk`` contains one of these."""
_CARDS = ("README.md", ".huggingface.yaml")
"""Files in which a folder can list its data files, which may be anywhere."""
_LONGEST_CARD = 1_000_000


def load_splits(place: Path, config: str | None, revision: str | None, may_download: bool) -> dict[str, Any]:
    """A data set's splits by name.

    Args:
        place: a folder, or the name on the hub.
        config: the configuration, if there are several.
        revision: commit, branch or tag on the hub.
        may_download: download missing files.

    Raises:
        ReorderKitError: if the library is not installed, or the data set does not exist.
    """
    try:
        # Imported late, because it is optional and takes seconds.
        import datasets
    except ImportError as error:
        raise ReorderKitError(
            f"data.name: hf needs the package datasets: {error}", "pip install 'reorder-kit[hf]'"
        ) from error
    if place.is_absolute() and not place.is_dir():
        raise ReorderKitError(f"data.dataset: the folder {place} does not exist")
    is_saved = _is_saved(place)
    for field, value, useless in (
        ("config", config, is_saved),
        ("revision", revision, place.is_dir()),
    ):
        if value is not None and useless:
            raise ReorderKitError(f"data.{field}: it does not apply to a local folder", "leave it out")
    if place.is_dir() and not may_download and fetched(place) is not None:
        raise ReorderKitError(f"data.dataset: {place} names files that would have to be downloaded")
    try:
        with nullcontext() if may_download else _offline(datasets):
            if is_saved:
                loaded = datasets.load_from_disk(str(place))
            else:
                loaded = datasets.load_dataset(str(place), config, revision=revision)
    except Exception as error:
        # A missing network also ends in an OSError, an unknown configuration in a ValueError, and damaged files in
        # exceptions that the library did not foresee.
        reason = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)
        raise ReorderKitError(
            f"data.dataset: cannot open {place}: {reason}",
            "a local folder must exist; a data set on the hub needs its full name, and a network the first time",
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def fetched(place: Path) -> str | None:
    """What is downloaded to load a data set, and to where; None if all of it is in a folder."""
    if not place.is_dir():
        return f"{place} from the Hugging Face hub into the cache of datasets"
    if not _is_saved(place) and any(_names_other_places(place / card) for card in _CARDS):
        return f"files that the card of {place} names into the cache of datasets"
    return None


def _is_saved(place: Path) -> bool:
    return any((place / name).is_file() for name in _SAVED)


def _names_other_places(card: Path) -> bool:
    """Whether the configurations in a card name files with a protocol; True if the card cannot be read."""
    if not card.is_file():
        return False
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_CARD)
        head = text.split("---", 2)[1] if card.suffix == ".md" and text.lstrip().startswith("---") else text
        if card.suffix == ".md" and head is text:
            return False  # without front matter it names no files
        content = yaml.safe_load(head)
    except (OSError, IndexError, ValueError, RecursionError, yaml.YAMLError):
        return True
    return "://" in "\n".join(_texts(content.get("configs"), set())) if isinstance(content, dict) else False


def _texts(content: Any, seen: set[int]) -> Iterator[str]:
    """All strings in plain data; repeated aliases are visited once."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, (list, dict)) and id(content) not in seen:
        seen.add(id(content))
        for each in content.values() if isinstance(content, dict) else content:
            yield from _texts(each, seen)


@contextmanager
def _offline(datasets: Any) -> Iterator[None]:
    """Have the effect of HF_HUB_OFFLINE, which both libraries read only when they are imported."""
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
