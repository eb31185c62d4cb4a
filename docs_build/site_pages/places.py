"""Where a file of the repository is on the site."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
REPOSITORY = "repository/"
"""The folder of the site for files outside ``docs/``: each keeps its path."""
RESULTS = "results/"

_ELSEWHERE = {
    "README.md": "index.md",
    "docs/notebook.ipynb": "notebook.md",
    "recipes": "reference/recipes.md",
    "studies": "reference/studies.md",
}


def on_site(path: str) -> str:
    """The source of the page or file that shows a file of the repository.

    >>> on_site("docs/orders.md"), on_site("benchmarks/RESULTS.md"), on_site("recipes/quickstart.yaml")
    ('orders.md', 'repository/benchmarks/RESULTS.md', 'repository/recipes/quickstart.yaml.md')

    Args:
        path: below the root, with slashes; a folder stands for its ``README.md``.
    """
    path = path.rstrip("/")
    if path in _ELSEWHERE:
        return _ELSEWHERE[path]
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    if (ROOT / path).is_dir():
        return f"{REPOSITORY}{path}/README.md"
    if path.endswith(".yaml"):
        return f"{REPOSITORY}{path}.md"
    return f"{REPOSITORY}{path}"


def in_repository(source: str) -> str | None:
    """The file of the repository that a page shows; None where the page is generated from something else.

    Args:
        source: of the page on the site, such as ``orders.md``.
    """
    if source.startswith(REPOSITORY):
        return source.removeprefix(REPOSITORY)
    return f"{DOCS}{source}" if (ROOT / DOCS / source).exists() else None


def joined(folder: str, target: str) -> str:
    """A relative path from a folder, without ``..``.

    >>> joined("docs/results", "../../recipes/quickstart.yaml")
    'recipes/quickstart.yaml'

    Raises:
        ValueError: if it leads out of the repository.
    """
    parts: list[str] = []
    for part in (PurePosixPath(folder) / target).parts:
        if part == ".." and not parts:
            raise ValueError(f"{target} leads out of the repository")
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
