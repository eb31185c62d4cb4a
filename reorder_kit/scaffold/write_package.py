"""Writes the package of a new plugin from the templates in ``templates/``: a folder a kind, and one for all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from reorder_kit import __version__
from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.hookspecs import API_VERSION
from reorder_kit.scaffold.new_plugin import LISTENER, NewPlugin
from reorder_kit.writable import require_writable_folder


def package_of(plugin: NewPlugin) -> dict[str, str]:
    """The files of its package: their contents, by their paths in it."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("reorder_kit.scaffold"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # source code, not HTML
    )

    def rendered(template: str, **more: str) -> str:
        facts = {
            each: getattr(plugin, each) for each in ("kind", "name", "distribution", "module", "class_name", "file")
        }
        return templates.get_template(f"{template}.jinja").render(**facts, api=API_VERSION, version=__version__, **more)

    package = f"src/{plugin.module}"
    use = rendered(f"{plugin.kind}/use.md").strip()
    return {
        "pyproject.toml": rendered("shared/pyproject.toml"),
        "README.md": rendered("shared/README.md", use=use, try_it=try_it(plugin)),
        f"{package}/__init__.py": rendered("shared/__init__.py"),
        f"{package}/{plugin.file}.py": rendered(f"{plugin.kind}/component.py"),
        f"{package}/py.typed": "",
        f"tests/test_{plugin.name.replace('-', '_')}.py": rendered(f"{plugin.kind}/test.py"),
    }


def try_it(plugin: NewPlugin) -> str:
    """The command that shows the new plugin at work."""
    if plugin.kind == LISTENER:
        return "reorder-kit run quickstart --set train.epochs=1"
    return f"reorder-kit describe {plugin.kind} {plugin.name}"


def write_package(plugin: NewPlugin, folder: Path) -> list[Path]:
    """Write its package, and return the files.

    Args:
        plugin: what to write.
        folder: the folder of the package, which must not exist yet.

    Raises:
        ReorderKitError: if there is something already, or it cannot be written.
    """
    files = {folder / path: content for path, content in package_of(plugin).items()}
    require_writable_folder(folder)
    if folder.exists() or folder.is_symlink():
        raise ReorderKitError(f"{folder} already exists", "give another folder with --folder, or remove that one")
    write_files(files)
    return list(files)


def write_files(files: Mapping[Path, str]) -> None:
    """Write files, and the folders they are in.

    Args:
        files: their contents.

    Raises:
        ReorderKitError: if one cannot be written.
    """
    for file, content in files.items():
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
