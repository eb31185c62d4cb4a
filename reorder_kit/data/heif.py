"""HEIC images, which Pillow reads with pillow-heif alone."""

from __future__ import annotations

from functools import cache

HEIF_ENDINGS = (".heic", ".heif", ".hif")
HEIF_FOUND = "HEIC images are left out; to read them: pip install 'reorder-kit[heif]'"
AVIF_FOUND = "AVIF images are left out, since this build of Pillow reads none; to read them: pip install -U pillow"


@cache
def reads_heif() -> bool:
    """Whether HEIC images can be read here; if so, Pillow does from now on."""
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except Exception:  # a broken one is as a missing one: it must not keep other images from being read
        return False
    return True


def unread_format(ending: str) -> str | None:
    """What to count a file as whose ending is that of an image which cannot be read here; None for other files.

    Args:
        ending: in small letters, with its dot.
    """
    if ending in HEIF_ENDINGS:
        return HEIF_FOUND
    return AVIF_FOUND if ending == ".avif" else None
