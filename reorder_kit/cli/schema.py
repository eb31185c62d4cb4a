"""``reorder-kit schema``: the JSON Schema of a recipe."""

from __future__ import annotations

from reorder_kit.cli._output import print_json


def schema() -> None:
    """Print the JSON Schema of a recipe.

    It contains the options of every installed component. Editors with a YAML language server use it to complete recipes
    and mark mistakes as you type. Put this on the first line of a recipe:

    \b
      # yaml-language-server: $schema=recipe.schema.json

    \b
    Example:
      reorder-kit schema > recipe.schema.json
    """
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.experiment.recipe_schema import recipe_schema

    print_json(recipe_schema(load_host()))
