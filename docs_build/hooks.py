"""What mkdocs calls while it builds the site: pages are generated, and links into the repository are rewritten."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from site_pages.commands import command_pages
from site_pages.components import component_pages
from site_pages.example_report import example_report
from site_pages.generated import Generated
from site_pages.links import rewritten
from site_pages.navigation import expanded
from site_pages.notebook import notebook_page
from site_pages.places import REPOSITORY, RESULTS
from site_pages.python_api import python_pages
from site_pages.recipe_fields import field_pages
from site_pages.repository import repository_files
from site_pages.shipped import shipped_pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated, and fill in the patterns of the navigation."""
    generated = Generated(config, files)
    for make in (command_pages, component_pages, field_pages, python_pages, shipped_pages, notebook_page):
        generated.add(make())
    generated.add(example_report())
    generated.add(repository_files())
    if config.nav:
        config.nav = expanded(config.nav, sorted(file.src_uri for file in files.documentation_pages()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to the rest of the repository lead to its pages on the site, which searches find last.

    Results have wide tables, which take the place of the list of headings.
    """
    if page.file.src_uri.startswith(REPOSITORY):
        page.meta["search"] = {"boost": 0.2}
    if page.file.src_uri.startswith(RESULTS):
        page.meta["hide"] = ["toc"]
    return rewritten(markdown, page.file.src_uri)
