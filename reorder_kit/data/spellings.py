"""Match names that differ in nothing but how they are written down."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

CLASSES_RESPELLED = "classes are matched to names in another Unicode form"
RESPELLED_FOUND = "names are matched to files spelled in another way (Unicode form, slashes, case of the ending)"


class Spellings:
    """Names by what is left of them without the differences that do not count.

    >>> Spellings(["a/7.JPG", "b.png"]).of("a\\\\7.jpg")
    ['a/7.JPG']

    Args:
        names: with slashes.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_form: dict[str, list[str]] = {}
        for name in names:
            self._by_form.setdefault(plain_form(name), []).append(name)

    def of(self, name: str) -> Sequence[str]:
        """The names that this one may mean."""
        return self._by_form.get(plain_form(name), ())


def composed(name: str) -> str:
    """A name with composed letters (NFC): a copy through another system can take them apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spelled_as(known: Iterable[str], names: Iterable[str]) -> list[str]:
    """Each name as the known ones spell it, where it differs from one of them only in its Unicode form.

    >>> spelled_as(["\u00c4pfel"], ["A\u0308pfel", "pears"]) == ["\u00c4pfel", "pears"]
    True
    """
    exact, wanted = set(known), list(names)
    if exact.issuperset(wanted):
        return wanted
    spelled = {composed(name): name for name in exact}
    return [name if name in exact else spelled.get(composed(name), name) for name in wanted]


def plain_form(name: str) -> str:
    """A name with slashes, composed letters (NFC) and an ending in small letters.

    Systems store ``é`` as one character or as two, which look the same; Windows writes backslashes; cameras write
    ``.JPG``.
    """
    folder, slash, last = name.replace("\\", "/").rpartition("/")
    stem, dot, ending = last.rpartition(".")
    return composed(f"{folder}{slash}{stem}{dot}{ending.lower() if dot else ending}")
