"""A folder of image files, one folder for each class, an image in the folders of all its classes."""

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
    """Images in one folder for each class, copied or linked into the folders of all classes that they have.

    The same file name in several class folders of a split is one image with several labels: ``root/train/cat/7.jpg``
    and ``root/train/dog/7.jpg`` show a cat and a dog. Files of one name but of different content are refused, since
    they cannot be the same image, and so is one file, by a link, under two names. An image without any class has no
    place here; a table has (``multi-label-csv``).

    Splits, classes and images are found as by ``image-folder``: in ``root/train/CLASS/*``, ``root/val/CLASS/*`` and
    ``root/test/CLASS/*``, where val is the test split if there is no other; or everything lies in ``root/CLASS/*``.
    What is missing is set aside by ``split_seed``, test first, and no class loses its last training image by that.
    Classes are the folders of train, sorted by name; images may lie in folders below them.

    An image is scaled into ``image_size`` as a whole, with its proportions kept. Training images are also flipped from
    left to right by chance. Named transforms replace that.
    """

    name = "multi-label-folder"
    target_kinds = (MULTI_LABEL,)
    Options = MultiLabelOptions

    options: MultiLabelOptions

    def open(self, seed: int) -> DataSplits:
        """List the files, bring those of one name together, and split them."""
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
    """One entry for each name below the class folders, sorted; a name may be spelled in several ways."""
    files: dict[str, dict[int, Path]] = {}
    names: dict[str, str] = {}
    for path, number in listed:
        name = Path(*Path(path).relative_to(folder).parts[1:]).as_posix()
        form = plain_form(name)
        copies = files.setdefault(form, {})
        if number in copies:
            raise ReorderKitError(
                f"data.root: the names {str(copies[number])!a} and {path!a} differ in nothing but their"
                " Unicode form or the case of their ending",
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
                f"data.root: {first} and {other} have one name, but are different images",
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
