"""Archives of files, as other people's programs write them, and what those programs see in them."""

import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def tree(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def gnu_tar(archive: Path, root: Path, *options: str) -> Path:
    """Have GNU tar pack a folder's content."""
    subprocess.run(["tar", *options, "-cf", archive, "-C", root, "."], check=True)
    return archive


def py_tar(archive: Path, root: Path, form: int = tarfile.PAX_FORMAT) -> Path:
    """Have the standard library pack a folder's content, without a folder above it."""
    with tarfile.open(archive, "w", format=form) as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name)
    return archive


def py_zip(
    archive: Path, root: Path, method: int = zipfile.ZIP_DEFLATED, *, force_zip64: bool = False
) -> Path:
    """Have the standard library pack a folder's content."""
    with zipfile.ZipFile(archive, "w", method) as packed:
        for path in sorted(filter(Path.is_file, root.rglob("*"))):
            name = str(path.relative_to(root))
            with packed.open(name, "w", force_zip64=force_zip64) as file:
                file.write(path.read_bytes())
    return archive


def contents_of(archive: Path) -> dict[str, bytes]:
    """Return what the standard library reads from an archive, by path."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            return {e.filename: packed.read(e) for e in packed.infolist() if not e.is_dir()}
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name.removeprefix("./"): file.read() for name, file in files.items()}
