"""YAML files that come with the package, found by name, whether it is installed or a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reorder_kit.errors import ReorderKitError, did_you_mean

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class ShippedFiles:
    """The files of one kind.

    Args:
        kind: the word for one in messages, such as ``recipe``.
        folder_name: their folder in a checkout.
    """

    kind: str
    folder_name: str

    @property
    def folder(self) -> Path:
        """Their folder: in the installed package, or next to it in a checkout."""
        shipped = _PACKAGE / f"shipped_{self.folder_name}"
        return shipped if shipped.exists() else _PACKAGE.parent / self.folder_name

    def names(self) -> list[str]:
        """Their names without extension, such as ``quickstart`` or ``paper/imagenet/vit``."""
        return sorted(path.relative_to(self.folder).with_suffix("").as_posix() for path in self.folder.rglob("*.yaml"))

    def find(self, file: str) -> Path:
        """The file for a path or a name.

        Args:
            file: a path, or the name of a shipped file, which may start with its folder as in a checkout.

        Raises:
            ReorderKitError: if there is no such file.
        """
        path = Path(file)
        stem = path.with_suffix("") if path.name else path  # "." and "/" have no name
        name = stem.as_posix().removeprefix(f"{self.folder_name}/")
        shipped = self.folder / f"{name}.yaml"
        if not path.is_file() and shipped.exists():  # a folder with its name does not hide it
            return shipped
        if path.exists():
            return path
        raise ReorderKitError(f"{file}: neither a file nor a shipped {self.kind}", did_you_mean(name, self.names()))
