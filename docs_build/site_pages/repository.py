"""Files outside ``docs/`` that have a place on the site: those that pages link to, and the READMEs of plugins."""

from __future__ import annotations

from pathlib import Path

from site_pages.links import linked_files
from site_pages.places import DOCS, REPOSITORY, ROOT, on_site
from site_pages.shipped import yaml_page

_SHOWN = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md")


def repository_files() -> dict[str, str | bytes]:
    """Pages and files by source. YAML files become pages; those of recipes and studies have theirs already."""
    shown = [*_SHOWN, *(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("plugins/*/README.md")))]
    found: dict[str, str | bytes] = {}
    linked: set[str] = set()
    for path in [*shown, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / DOCS).rglob("*.md")))]:
        text = (ROOT / path).read_text(encoding="utf-8")
        linked |= linked_files(text, path)
        if path in shown:
            found[on_site(path)] = text
    for path in sorted(linked):
        source, file = on_site(path), ROOT / path
        if not source.startswith(f"{REPOSITORY}") or source in found or path.startswith(("recipes/", "studies/")):
            continue
        if file.is_file():
            found[source] = content_of(file)
    return found


def content_of(file: Path) -> str | bytes:
    """What the site shows of a file that a page links to: a page for YAML, anything else as it is."""
    content = file.read_bytes()
    return yaml_page(file.name, content.decode("utf-8")) if file.suffix == ".yaml" else content
