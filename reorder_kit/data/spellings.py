"""Match names that differ only in spelling: Unicode form, slashes, case of the extension."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

CLASSES_RESPELLED = "classes are matched to names in another Unicode form"
RESPELLED_FOUND = "names are matched to differently spelled files (Unicode form, slashes, case of the extension)"


class Spellings:
    """Names, looked up without regard to spelling.

    >>> Spellings(["a/7.JPG", "b.png"]).of("a\\\\7.jpg")
    ['a/7.JPG']

    Args:
        names: names with slashes.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_form: dict[str, list[str]] = {}
        for name in names:
            self._by_form.setdefault(plain_form(name), []).append(name)

    def of(self, name: str) -> Sequence[str]:
        """The names that this name may mean."""
        return self._by_form.get(plain_form(name), ())


def composed(name: str) -> str:
    """A name in composed form (NFC): copying through another system can decompose it."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spelled_as(known: Iterable[str], names: Iterable[str]) -> list[str]:
    """Each name, spelled like a known one if it differs from that only in Unicode form.

    >>> spelled_as(["\u00c4pfel"], ["A\u0308pfel", "pears"]) == ["\u00c4pfel", "pears"]
    True
    """
    exact, wanted = set(known), list(names)
    if exact.issuperset(wanted):
        return wanted
    spelled = {composed(name): name for name in exact}
    return [name if name in exact else spelled.get(composed(name), name) for name in wanted]


def plain_form(name: str) -> str:
    """A name with slashes, in composed form (NFC), with a lower-case extension.

    Systems store ``é`` as one character or as two, which look the same; Windows writes backslashes; cameras write
    ``.JPG``.
    """
    folder, slash, last = name.replace("\\", "/").rpartition("/")
    stem, dot, ending = last.rpartition(".")
    return composed(f"{folder}{slash}{stem}{dot}{ending.lower() if dot else ending}")
