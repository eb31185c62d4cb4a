"""The data of another person's run: opened locally, and downloaded only with permission."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSource

_HINT = "if you trust the recipe: evaluate, saliency and transfer take --allow-download, load_run allow_download=True"


def local_source(source: DataSource) -> DataSource:
    """A source that downloads nothing, and does not write into folders that its options name.

    Raises:
        ReorderKitError: if the source does not support this.
    """
    local = source.without_downloads()
    if local.downloads is not None:
        raise ReorderKitError(
            f"the recipe of this run lets data source {source.name!r} download {local.downloads}", _HINT
        )
    return local


@contextmanager
def naming_downloads(asked: DataSource, opened: DataSource) -> Iterator[None]:
    """If data cannot be opened, say that a download might help.

    Args:
        asked: the source in the recipe.
        opened: the source that is opened.
    """
    missing = None if opened is asked or opened.downloads == asked.downloads else asked.downloads
    try:
        yield
    except ReorderKitError as error:
        if missing is None or type(error) is not ReorderKitError:
            raise
        told = f"{error.message}; data source {asked.name!r} needs your permission to download {missing}"
        raise ReorderKitError(told, _HINT) from error
