"""The parts that make pages of the site: links, navigation, and texts of the code as Markdown."""

from __future__ import annotations

import pytest

from reorder_kit import testing
from site_pages.links import linked_files, rewritten
from site_pages.markdown import block, docstring, plain, python_docstring
from site_pages.navigation import expanded
from site_pages.places import in_repository, joined, on_site
from site_pages.python_api import python_pages
from site_pages.recipe_fields import field_pages
from site_pages.repository import content_of


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("docs/orders.md", "orders.md"),
        ("docs/notebook.ipynb", "notebook.md"),
        ("README.md", "index.md"),
        ("CHANGELOG.md", "repository/CHANGELOG.md"),
        ("plugins/reorder-kit-trackers", "repository/plugins/reorder-kit-trackers/README.md"),
        ("recipes/paper/imagenet/vit.yaml", "repository/recipes/paper/imagenet/vit.yaml.md"),
        ("recipes", "reference/recipes.md"),
    ],
)
def test_a_file_of_the_repository_has_a_place(path, source):
    assert on_site(path) == source


def test_a_page_knows_its_file():
    assert in_repository("orders.md") == "docs/orders.md"
    assert in_repository("repository/CHANGELOG.md") == "CHANGELOG.md"
    assert in_repository("reference/commands.md") is None


def test_links_lead_to_pages_of_the_site():
    text = "[all](../benchmarks/RESULTS.md#limit) and ![an order](images/order.png)\n"
    assert rewritten(text, "orders.md") == (
        "[all](repository/benchmarks/RESULTS.md#limit) and ![an order](images/order.png)\n"
    )
    assert rewritten("[orders](../docs/orders.md)", "repository/benchmarks/RESULTS.md") == "[orders](../../orders.md)"


def test_a_link_named_after_its_file_is_named_after_its_page():
    assert rewritten("[docs/install.md](docs/install.md)", "repository/README.md") == "[Install](../install.md)"


def test_links_that_are_no_files_stay():
    text = "[a](#below) [b](https://arxiv.org) [c](mailto:x@y)\n```text\n[d](e.md)\n```\n"
    assert rewritten(text, "orders.md") == text
    assert rewritten("[a](b.md)", "reference/commands.md") == "[a](b.md)"
    assert linked_files(text + "[f](../g.md#h)", "docs/orders.md") == {"g.md"}


def test_a_link_out_of_the_repository_is_refused():
    with pytest.raises(ValueError, match="leads out of the repository"):
        joined("docs", "../../elsewhere")


def test_a_pattern_stands_for_the_pages_that_nothing_else_names():
    navigation = ["index.md", {"Results": ["results/*.md", {"Speed": "results/speed.md"}]}]
    pages = ["index.md", "results/a.md", "results/b.md", "results/speed.md"]
    assert expanded(navigation, pages) == [
        "index.md",
        {"Results": ["results/a.md", "results/b.md", {"Speed": "results/speed.md"}]},
    ]


def test_only_code_has_a_meaning_in_texts():
    assert plain("a*b <c> | `d*e` and ``f|g``") == "a\\*b &lt;c> &#124; `d*e` and ``f|g``"
    assert plain("see :class:`~reorder_kit.orders.order.Order`") == "see `Order`"


def test_an_option_is_code():
    assert plain("with --dry-run, or `run --json`") == "with `--dry-run`, or `run --json`"


def test_an_example_in_a_docstring_is_a_block():
    text = "Add.\n\n>>> add(1, 2)  # doctest: +SKIP\n3\n\nArgs:\n    a: like this::\n"
    assert python_docstring(text) == "Add.\n\n```pycon\n>>> add(1, 2)\n3\n```\n\nArgs:\n    a: like this:\n"


def test_a_docstring_keeps_its_blocks_of_code():
    assert (
        docstring("Like this::\n\n    a = 1\n\n    b\n\nAnd on.")
        == "Like this:\n\n```python\na = 1\n\nb\n```\n\nAnd on."
    )


def test_a_block_may_hold_a_block():
    assert block("```text\nx\n```", "text") == "````text\n```text\nx\n```\n````\n"


def test_all_of_the_test_kit_is_on_its_page():
    page = python_pages()["reference/python/testing.md"]
    assert [name for name in testing.__all__ if f"::: reorder_kit.testing.{name}\n" not in page] == []


@pytest.mark.parametrize("field", ["data.*.set", "backbones.*.set", "learners.*.set", "learners.*.from"])
def test_a_field_below_a_name_of_the_readers_own_has_a_row(field):
    assert f"| `{field}` |" in field_pages()["reference/study.md"]


def test_a_linked_file_may_be_binary(tmp_path):
    picture, recipe = tmp_path / "a.png", tmp_path / "b.yaml"
    picture.write_bytes(b"\x89PNG\xff")
    recipe.write_text("# reorder-kit run b\nname: b\n")
    assert content_of(picture) == b"\x89PNG\xff"
    assert content_of(recipe).startswith("# b.yaml\n")
