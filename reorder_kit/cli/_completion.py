"""Shell completion for recipes, studies, orders, runs and component names.

Nothing here imports a plugin or torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

_OF_A_RUN, _OF_A_STUDY = "recipe.yaml", "study.json"
_YAML = (".yaml", ".yml")
_RUNS = "runs"


def complete_recipe(incomplete: str) -> list[str]:
    """Shipped recipes and YAML files."""
    from reorder_kit.recipe.library import recipe_names

    return [*_starting(recipe_names(), incomplete), *_files(incomplete, _YAML)]


def complete_shipped_recipe(incomplete: str) -> list[str]:
    """Shipped recipes only."""
    from reorder_kit.recipe.library import recipe_names

    return _starting(recipe_names(), incomplete)


def complete_study(incomplete: str) -> list[str]:
    """Shipped studies and YAML files."""
    from reorder_kit.studies.library import study_names

    return [*_starting(study_names(), incomplete), *_files(incomplete, _YAML)]


def complete_run(incomplete: str) -> list[str]:
    """Run folders; those in ``runs`` if nothing has been typed yet."""
    return _folders(incomplete, (_OF_A_RUN,))


def complete_run_or_study(incomplete: str) -> list[str]:
    """Run and study folders."""
    return _folders(incomplete, (_OF_A_RUN, _OF_A_STUDY))


def complete_order(incomplete: str) -> list[str]:
    """Orderings by name, order files and runs."""
    return [*complete_ordering(incomplete), *_files(incomplete, (".json", ".npy")), *complete_run(incomplete)]


def complete_ordering(incomplete: str) -> list[str]:
    """Orderings by name."""
    return _components("ordering", incomplete)


def complete_learner(incomplete: str) -> list[str]:
    """Order-learners by name."""
    return _components("order-learner", incomplete)


def complete_prior(incomplete: str) -> list[str]:
    """Priors by name."""
    return _components("prior", incomplete)


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of components."""
    from reorder_kit.cli._named_components import kinds

    return _starting(kinds(), incomplete)


def complete_plugin_kind(incomplete: str) -> list[str]:
    """Kinds of components, and listeners."""
    return [*complete_kind(incomplete), *_starting(["listener"], incomplete)]


def complete_component(ctx: typer.Context, incomplete: str) -> list[str]:
    """Components of the kind typed before."""
    return _components(str(ctx.params.get("kind") or ""), incomplete)


def _components(kind: str, incomplete: str) -> list[str]:
    from reorder_kit.cli._named_components import component_names

    return _starting(component_names(kind), incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _files(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Files with one of the endings, and folders that may contain more."""
    return [
        _typed(path)
        for path in _beginning_with(incomplete)
        if path.is_dir() or path.suffix in endings
    ]  # fmt: skip


def _folders(incomplete: str, marks: tuple[str, ...]) -> list[str]:
    """Folders that contain one of the marker files, and folders that may contain more."""
    found = [*_beginning_with(incomplete), *(_beginning_with(f"{_RUNS}/") if not incomplete else [])]
    here = [path for path in found if path.is_dir()]
    return [path.as_posix() if any((path / mark).exists() for mark in marks) else _typed(path) for path in here]


def _beginning_with(incomplete: str) -> list[Path]:
    """Files and folders whose path starts with the text; hidden ones only if a dot was typed."""
    folder, _, beginning = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    try:
        found = sorted(place.iterdir())
    except OSError:
        return []
    return [
        path
        for path in found
        if path.name.startswith(beginning) and (beginning or not path.name.startswith("."))
    ]  # fmt: skip


def _typed(path: Path) -> str:
    return f"{path.as_posix()}/" if path.is_dir() else path.as_posix()
