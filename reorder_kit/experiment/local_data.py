"""The data of somebody else's run: looked at where it is, and fetched only with permission."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSource

_HINT = "if you trust the recipe: evaluate, saliency and transfer take --allow-download, load_run allow_download=True"


def local_source(source: DataSource) -> DataSource:
    """A source that fetches nothing, and writes into no folder that its options name.

    Raises:
        ReorderKitError: if the source knows no way to do that.
    """
    local = source.without_downloads()
    if local.downloads is not None:
        raise ReorderKitError(
            f"data source {source.name!r} may download {local.downloads}, as the recipe of this run says", _HINT
        )
    return local


@contextmanager
def naming_downloads(asked: DataSource, opened: DataSource) -> Iterator[None]:
    """Say of data that cannot be opened that a download might help.

    Args:
        asked: the source as the recipe has it.
        opened: the one that is opened.
    """
    missing = None if opened is asked or opened.downloads == asked.downloads else asked.downloads
    try:
        yield
    except ReorderKitError as error:
        if missing is None or type(error) is not ReorderKitError:
            raise
        told = f"{error.message}; data source {asked.name!r} may not download {missing} without your permission"
        raise ReorderKitError(told, _HINT) from error
