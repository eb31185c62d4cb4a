"""Add pages and files to the site that are in no folder."""

from __future__ import annotations

from collections.abc import Mapping

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


class Generated:
    """What is generated for a build.

    Args:
        config: of the site.
        files: of the site, which are added to.
    """

    def __init__(self, config: MkDocsConfig, files: Files) -> None:
        self._config = config
        self._files = files

    def add(self, pages: Mapping[str, str | bytes]) -> None:
        """Add pages: the text of each by its source, such as ``reference/commands.md``.

        Raises:
            ValueError: if there is such a page.
        """
        for source, content in pages.items():
            if self._files.get_file_from_path(source):
                raise ValueError(f"{source} would be generated over a page that exists")
            self._files.append(File.generated(self._config, source, content=content))
