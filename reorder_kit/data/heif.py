"""HEIC images, which Pillow reads only with pillow-heif."""

from __future__ import annotations

from functools import cache

HEIF_ENDINGS = (".heic", ".heif", ".hif")
HEIF_FOUND = "HEIC images are left out; to read them: pip install 'reorder-kit[heif]'"
AVIF_FOUND = "AVIF images are left out, because this build of Pillow cannot read them; try: pip install -U pillow"


@cache
def reads_heif() -> bool:
    """Whether HEIC images can be read here; if so, Pillow reads them from now on."""
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except Exception:  # a broken pillow-heif counts as missing, so that other images can still be read
        return False
    return True


def unread_format(ending: str) -> str | None:
    """The finding for a file whose format cannot be read here; None for other files.

    Args:
        ending: the file's extension, in lower case, with the dot.
    """
    if ending in HEIF_ENDINGS:
        return HEIF_FOUND
    return AVIF_FOUND if ending == ".avif" else None
