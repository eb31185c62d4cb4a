"""YAML files that come with the package: found by name, be it installed or a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reorder_kit.errors import ReorderKitError, did_you_mean

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class ShippedFiles:
    """The files of one kind.

    Args:
        kind: what one is called in messages, such as ``recipe``.
        folder_name: the folder they are in, in a checkout.
    """

    kind: str
    folder_name: str

    @property
    def folder(self) -> Path:
        """Where they are: in the installed package, or beside it in a checkout."""
        shipped = _PACKAGE / f"shipped_{self.folder_name}"
        return shipped if shipped.exists() else _PACKAGE.parent / self.folder_name

    def names(self) -> list[str]:
        """Their names, without the ending: ``quickstart``, ``paper/imagenet/vit``."""
        return sorted(path.relative_to(self.folder).with_suffix("").as_posix() for path in self.folder.rglob("*.yaml"))

    def find(self, file: str) -> Path:
        """The file that is meant.

        Args:
            file: a path, or the name of a shipped file; with its folder, as in a checkout, it is found as well.

        Raises:
            ReorderKitError: if it is neither.
        """
        path = Path(file)
        stem = path.with_suffix("") if path.name else path  # "." and "/" have no name
        name = stem.as_posix().removeprefix(f"{self.folder_name}/")
        shipped = self.folder / f"{name}.yaml"
        if not path.is_file() and shipped.exists():  # a folder of its name does not hide it
            return shipped
        if path.exists():
            return path
        raise ReorderKitError(f"{file}: no such file, and no shipped {self.kind}", did_you_mean(name, self.names()))
