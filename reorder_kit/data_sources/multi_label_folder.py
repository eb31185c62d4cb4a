"""A folder of image files, with one folder per class and each image in the folders of all its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.class_folders import ClassFolders, require_every_class
from reorder_kit.data.file_identity import NamedFile, name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.multi_label import Labels, MultiLabelOptions, open_multi_label
from reorder_kit.data.real_files import identity
from reorder_kit.data.spellings import RESPELLED_FOUND, plain_form
from reorder_kit.data.split_folders import find_split_folders
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import MULTI_LABEL, DataSource, DataSplits


class MultiLabelFolder(AnnotatedSource):
    """Images in one folder per class, copied or linked into the folders of all their classes.

    The same file name in several class folders of a split is one image with several labels: ``root/train/cat/7.jpg``
    and ``root/train/dog/7.jpg`` show a cat and a dog. Files with the same name but different content are refused,
    because they cannot be the same image; so are links to the same file under two names. This layout cannot hold images
    without a class; a table can (``multi-label-csv``).

    Splits, classes and images are found as in ``image-folder``: in ``root/train/CLASS/*``, ``root/val/CLASS/*`` and
    ``root/test/CLASS/*``, where val is the test split if there is no test; or all in ``root/CLASS/*``. Missing splits
    are set aside by ``split_seed``, test first; no class loses its last training image. Classes are the folders of
    train, sorted by name; images may lie in subfolders.

    Whole images are scaled into ``image_size`` with their proportions kept. Training images are also randomly flipped
    from left to right; transforms named in the recipe replace the flip.
    """

    name = "multi-label-folder"
    target_kinds = (MULTI_LABEL,)
    Options = MultiLabelOptions

    options: MultiLabelOptions

    def open(self, seed: int) -> DataSplits:
        """List the files, group those with the same name, and split them."""
        findings = Findings()
        folders = find_split_folders(self.options.root, findings)
        of_classes = ClassFolders(self.options.root, findings)
        classes = of_classes.training_classes(folders.train)
        listed = of_classes.files(folders.train, classes, one_class_each=False)
        require_every_class(listed, classes, folders.train)
        validation, test = (
            None
            if folder is None
            else _by_name(folder, classes, of_classes.files(folder, classes, one_class_each=False), of_classes)
            for folder in (folders.validation, folders.test)
        )
        train = _by_name(folders.train, classes, listed, of_classes)
        return open_multi_label(self.options, classes, train, validation, test, seed, self.recorded, findings)


def _by_name(
    folder: Path, classes: Sequence[str], listed: Sequence[tuple[str, int]], of_classes: ClassFolders
) -> list[Labels]:
    """One entry per name below the class folders, sorted; a name may have several spellings."""
    files: dict[str, dict[int, Path]] = {}
    names: dict[str, str] = {}
    for path, number in listed:
        name = Path(*Path(path).relative_to(folder).parts[1:]).as_posix()
        form = plain_form(name)
        copies = files.setdefault(form, {})
        if number in copies:
            raise ReorderKitError(
                f"data.root: the names {str(copies[number])!a} and {path!a} differ only in Unicode form or in the case"
                " of their extension",
                "a file name stands for one image; rename one of them",
            )
        copies[number] = Path(path)
        if names.setdefault(form, name) != name:
            of_classes.findings.add(RESPELLED_FOUND, name_below(of_classes.root, path))
    return [Labels(str(_the_image(files[form])), tuple(files[form])) for form in sorted(files, key=names.__getitem__)]


def _the_image(copies: dict[int, Path]) -> Path:
    first, *others = copies.values()
    for other in others:
        if not _is_same_image(first, other):
            raise ReorderKitError(
                f"data.root: {first} and {other} have the same name but are different images",
                "a file name stands for one image, in the folders of all its classes; rename one of them",
            )
    return first


def _is_same_image(first: Path, second: Path) -> bool:
    for path in (first, second):
        try:
            path.stat()
        except OSError as error:
            raise ReorderKitError(f"data.root: {path} cannot be read: {error.strerror}") from error
    digests = [NamedFile(path.name, str(path)).digest() for path in (first, second)]
    return identity(first) == identity(second) or digests[0] == digests[1]


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [MultiLabelFolder]
