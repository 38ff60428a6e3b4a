"""Getting a public set: downloaded or given, checked, and laid out as `tumorlens.data.index` reads.

A set appears whole or not at all: it is laid out under another name and moved into its place at
the end. What was downloaded before an interruption is kept, and used by the next try.
"""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from tumorlens.data.fetch import cheng
from tumorlens.data.fetch.checksums import (
    SUMS,
    Checked,
    Ledger,
    changed_files,
    file_md5,
    file_sha256,
    write_sums,
)
from tumorlens.data.fetch.download import download_file
from tumorlens.data.fetch.unpack import opened, place_folders
from tumorlens.data.index import index
from tumorlens.data.sources import Layout, megabytes
from tumorlens.errors import DatasetError, DownloadError, TumorLensError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tumorlens.data.sources import PublicSet, RemoteFile

    Progress = Callable[[str, int, int | None], None]

__all__ = ["Fetched", "fetch"]

NOTE = "SOURCE.txt"

_CREDENTIALS = (
    "Kaggle asks who you are. Either download {page} in a browser and give the zip: "
    "tumorlens data fetch {name} --from FILE.zip. Or let Kaggle's own program do it: "
    "pip install kagglehub, make a token at https://www.kaggle.com/settings/api, put it where "
    "kagglehub looks (KAGGLE_API_TOKEN, or kaggle.json in ~/.kaggle), and run this command again"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch led to.

    Attributes:
        folder: Where the set lies.
        images: How many labelled images it holds.
        was_there: Whether it was there before, and was only checked.
        remark: What a person should know of it; empty where all is as expected.
    """

    folder: Path
    images: int
    was_there: bool = False
    remark: str = ""


def fetch(
    wanted: PublicSet,
    out: Path,
    *,
    given: Path | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Get a public set into a folder of sets.

    Args:
        wanted: The set.
        out: The folder of sets; the set becomes a folder of its name in it.
        given: A zip, or a folder, that a person downloaded, used instead of a download.
        sha256: What the one file of the set must have, where the caller knows it.
        progress: Called with (what is done, how much of it, of how much or None).

    Raises:
        DownloadError: A file cannot be had, is another than before, or there is no room for it.
        DatasetError: Something else lies there, or what came is not the set.
        MissingExtra: A library of the extra ``data`` is not installed.
    """
    folder = out / wanted.name
    if folder.exists():
        return _check_what_is_there(folder)
    _check_request(wanted, given, sha256)
    check_space(wanted, out, downloads=given is None)
    _make(out)
    ledger = Ledger(out)
    store = out / f".{wanted.name}.download"
    staging = out / f".{wanted.name}.unpacked"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        sources = _given(wanted, given) if given else _downloaded(wanted, store, progress)
        with _unproven_removed(wanted, store):
            found = _checked_files(wanted, sources, ledger, sha256)
            images = _lay_out(wanted, sources, staging, progress)
        _describe(wanted, staging)
        staging.rename(folder)
        ledger.keep(wanted.name, found)
    except OSError as error:
        msg = f"{error.filename or out}: {error.strerror or error}; nothing was laid out"
        raise DownloadError(msg) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _remove_if_empty(store)
    shutil.rmtree(store, ignore_errors=True)
    return Fetched(folder=folder, images=images, remark=_remark(wanted, images))


def check_space(wanted: PublicSet, out: Path, *, downloads: bool) -> None:
    """Refuse before anything is downloaded where there is no room for it.

    Raises:
        DownloadError: There is too little space; says how much is needed.
    """
    needed = wanted.unpacked_bytes + (wanted.download_bytes if downloads else 0)
    existing = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        msg = (
            f"{out}: {megabytes(free)} are free, and {wanted.name} needs about "
            f"{megabytes(needed)} while it is laid out; make room or name another --out"
        )
        raise DownloadError(msg)


def _check_what_is_there(folder: Path) -> Fetched:
    """A set that was fetched before, whose files are still what they were."""
    if not (folder / SUMS).is_file():
        msg = f"{folder}: is there already, and was not fetched by this command; name another --out"
        raise DatasetError(msg)
    changed = changed_files(folder)
    if changed:
        msg = (
            f"{folder}: {len(changed)} files are gone or changed since they were fetched, such as "
            f"{changed[0]}; remove the folder and fetch it again"
        )
        raise DatasetError(msg)
    return Fetched(folder=folder, images=len(index(folder)), was_there=True)


def _check_request(wanted: PublicSet, given: Path | None, sha256: str | None) -> None:
    if given is not None and not given.exists():
        msg = f"{given}: no such file; give what you downloaded from {wanted.page}"
        raise DatasetError(msg)
    if sha256 is not None and len(wanted.files) > 1:
        msg = (
            f"{wanted.name}: is published as {len(wanted.files)} files, whose checksums are known; "
            "leave --sha256 out"
        )
        raise DatasetError(msg)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out}: cannot be made ({error.strerror or error}); name another --out"
        raise DownloadError(msg) from error


@contextmanager
def _unproven_removed(wanted: PublicSet, store: Path) -> Iterator[None]:
    """Let what turns out not to be the set be downloaded anew, where no checksum proves it."""
    try:
        yield
    except TumorLensError:
        for file in wanted.files:
            if file.md5 is None:
                (store / file.name).unlink(missing_ok=True)
        raise


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _given(wanted: PublicSet, given: Path) -> list[Path]:
    """What a person gave; of a folder, the files that the set is published as, where they stand."""
    published = [given / file.name for file in wanted.files]
    whole = given.is_dir() and all(path.is_file() for path in published)
    return published if whole else [given]


def _downloaded(wanted: PublicSet, store: Path, progress: Progress | None) -> list[Path]:
    paths = []
    for file in wanted.files:
        path = store / file.name
        try:
            download_file(
                wanted.base + file.address,
                path,
                known_hash=f"md5:{file.md5}" if file.md5 else None,
                progress=_naming(file.name, progress),
            )
        except DownloadError as error:
            if error.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise
            path = _by_kagglehub(wanted, error)
        paths.append(path)
    return paths


def _naming(name: str, progress: Progress | None) -> Callable[[int, int | None], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(f"downloading {name}", done, total)


def _by_kagglehub(wanted: PublicSet, refused: DownloadError) -> Path:
    """The set by Kaggle's own program, which knows the person's credentials."""
    if wanted.kaggle is None:
        raise refused
    advice = _CREDENTIALS.format(page=wanted.page, name=wanted.name)
    if importlib.util.find_spec("kagglehub") is None:
        msg = f"{refused}. {advice}"
        raise DownloadError(msg, status=refused.status) from refused
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(wanted.kaggle))
    except Exception as error:  # kagglehub raises errors of its own and of its libraries
        msg = f"{wanted.page}: kagglehub did not get it ({error}). {advice}"
        raise DownloadError(msg, status=refused.status) from error


def _checked_files(
    wanted: PublicSet, sources: list[Path], ledger: Ledger, sha256: str | None
) -> dict[str, Checked]:
    """Compare every file with what its publisher, the caller and the first download say."""
    found = {}
    for path in sources:
        file = _published_as(wanted, path.name)
        if file is None and len(wanted.files) == 1:
            file = wanted.files[0]
        if file is None or not path.is_file():
            continue  # a folder, or one zip of all files: those in it are checked
        how = _check_published(path, file)
        digest = file_sha256(path)
        if sha256 is not None:
            if digest != sha256.strip().lower():
                msg = f"{path}: its SHA-256 is {digest}, not the {sha256} that was asked for"
                raise DownloadError(msg)
            how = "sha256 of the caller"
        ledger.check(wanted.name, file.name, digest)
        found[file.name] = Checked(sha256=digest, size=path.stat().st_size, how=how)
    return found


def _check_published(path: Path, file: RemoteFile) -> str:
    if file.md5 is None:
        return "first use"
    found = file_md5(path)
    if found != file.md5:
        msg = (
            f"{path}: its MD5 is {found}, but its publisher says {file.md5}: it is damaged, or "
            f"another file than {file.name}"
        )
        raise DownloadError(msg)
    return "md5 of the publisher"


def _published_as(wanted: PublicSet, name: str) -> RemoteFile | None:
    return next((file for file in wanted.files if file.name == name), None)


def _lay_out(
    wanted: PublicSet, sources: list[Path], staging: Path, progress: Progress | None
) -> int:
    if wanted.layout is not Layout.CHENG:
        with opened(sources[0]) as members:
            return place_folders(members, wanted.layout.folders, staging)

    def check_inner(path: Path, name: str) -> None:
        file = _published_as(wanted, name)
        if file is not None:
            _check_published(path, file)

    return cheng.lay_out(
        sources,
        staging,
        expected=wanted.images,
        check=check_inner,
        progress=(lambda done, total: progress("converting", done, total)) if progress else None,
    )


def _describe(wanted: PublicSet, staging: Path) -> None:
    lines = [
        f"{wanted.name}: {wanted.title}",
        f"From: {wanted.page}",
        f"Licence: {wanted.licence}",
        f"Cite: {wanted.citation}",
    ]
    if wanted.layout is Layout.CHENG:
        lines.append(
            "Pictures: the smallest value of each slice is 0 and its largest 255, linearly; size "
            "and orientation as published. Masks: 255 is tumor. patient: the set's own pseudonym. "
            "borders.csv: the drawn outlines, coordinates in pixels, as published."
        )
    (staging / NOTE).write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    files = [path for path in staging.rglob("*") if path.is_file()]
    write_sums(staging, [path.relative_to(staging).as_posix() for path in files])


def _remark(wanted: PublicSet, images: int) -> str:
    if images == wanted.images:
        return ""
    return (
        f"{images} images, where {wanted.images} were expected: this is another version of the "
        "set, and published figures are not of it"
    )
