"""The public sets: where each is published, under what licence, and how it is laid out.

Addresses are data, all in the one table below. The sizes of the Kaggle sets are those that its
pages showed, rounded; they are for people and for the check of free space, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from tumorlens.errors import DatasetError

FIGSHARE = "https://ndownloader.figshare.com/files/"
KAGGLE = "https://www.kaggle.com/api/v1/datasets/download/"

MEGABYTE = 1_000_000


class Layout(StrEnum):
    """How a set lies on disk; see `tumorlens.data.index`."""

    CHENG = "cheng"
    TRAINING_TESTING = "training_testing"
    YES_NO = "yes_no"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of a set that is laid out as it is published; none for Cheng's."""
        return _FOLDERS[self]


_FOLDERS = {
    Layout.CHENG: (),
    Layout.TRAINING_TESTING: ("Training", "Testing"),
    Layout.YES_NO: ("yes", "no"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file that a set is published as.

    Attributes:
        name: Its name.
        address: What follows the set's base address.
        size: In bytes, or None where the publisher does not say it.
        md5: As the publisher gives it, or None where there is none; then the first download is
            trusted, and later ones are compared with it.
    """

    name: str
    address: str
    size: int | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """One public set.

    Attributes:
        name: What it is called here, and its folder.
        title: What it is, for a person.
        base: The start of its files' addresses.
        files: The files that it is published as.
        page: Its page, where a person can read more or download it by hand.
        layout: How it lies on disk.
        images: How many labelled images it has.
        download_bytes: About what is downloaded.
        unpacked_bytes: About what it takes once laid out.
        licence: What its publisher states, and what that leaves open.
        citation: What to cite.
        kaggle: Its handle for kagglehub, or None where it is published elsewhere.
    """

    name: str
    title: str
    base: str
    files: tuple[RemoteFile, ...]
    page: str
    layout: Layout
    images: int
    download_bytes: int
    unpacked_bytes: int
    licence: str
    citation: str
    kaggle: str | None = None


def _kaggle_set(
    name: str, handle: str, *, version: int | None = None, size: int, **rest: object
) -> PublicSet:
    """A set that Kaggle packs into one zip; a pinned version where a later one is another set."""
    pinned = f"?dataset_version_number={version}" if version else ""
    return PublicSet(
        name=name,
        base=KAGGLE,
        files=(RemoteFile(name=f"{name}.zip", address=handle + pinned),),
        page=f"https://www.kaggle.com/datasets/{handle}",
        download_bytes=size,
        unpacked_bytes=2 * size,
        kaggle=f"{handle}/versions/{version}" if version else handle,
        **rest,  # type: ignore[arg-type]
    )


_ALL = (
    PublicSet(
        name="cheng",
        title="T1-CE slices of 233 patients with glioma, meningioma or pituitary tumor, with masks",
        base=FIGSHARE,
        files=(
            RemoteFile(
                name="brainTumorDataPublic_1-766.zip",
                address="3381290",
                size=214_401_279,
                md5="74b949ad33f042e6e103523091cd1428",
            ),
            RemoteFile(
                name="brainTumorDataPublic_767-1532.zip",
                address="3381296",
                size=217_848_429,
                md5="7e8a875500d2c8a346f270538e29890e",
            ),
            RemoteFile(
                name="brainTumorDataPublic_1533-2298.zip",
                address="3381293",
                size=215_563_856,
                md5="8227bf6080cb71f15a88be8d25c79ae7",
            ),
            RemoteFile(
                name="brainTumorDataPublic_2299-3064.zip",
                address="3381302",
                size=231_679_762,
                md5="b378a80d6174e5317d59eb28430c6652",
            ),
            RemoteFile(
                name="cvind.mat",
                address="7005344",
                size=5_736,
                md5="5ea82eb3212c9fcb84290ccf0beb486d",
            ),
        ),
        page="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
        layout=Layout.CHENG,
        images=3064,
        download_bytes=879 * MEGABYTE,
        unpacked_bytes=600 * MEGABYTE,
        licence="CC BY 4.0",
        citation=(
            "Cheng J. Brain tumor dataset. figshare, 10.6084/m9.figshare.1512427. "
            "Cheng J et al. PLoS ONE 10(10): e0140381, 2015. "
            "Cheng J et al. PLoS ONE 11(6): e0157112, 2016."
        ),
    ),
    _kaggle_set(
        "nickparvar",
        "masoudnickparvar/brain-tumor-mri-dataset",
        # Later versions hold other images, and no published figure is of them.
        version=1,
        size=150 * MEGABYTE,
        title="four classes in Training and Testing folders; it re-packs cheng, sartaj and br35h",
        layout=Layout.TRAINING_TESTING,
        images=7023,
        licence="CC0, as its uploader claims; the sets that it re-packs have licences of their own",
        citation="Nickparvar M. Brain Tumor MRI Dataset. Kaggle, 10.34740/kaggle/dsv/2645886, 2021",
    ),
    _kaggle_set(
        "sartaj",
        "sartajbhuvaji/brain-tumor-classification-mri",
        size=90 * MEGABYTE,
        title="four classes in Training and Testing folders; some labels are known to be wrong",
        layout=Layout.TRAINING_TESTING,
        images=3264,
        licence="MIT, as its uploaders claim; where the images come from is not stated",
        citation=(
            "Bhuvaji S et al. Brain Tumor Classification (MRI). Kaggle, "
            "10.34740/kaggle/dsv/1183165, 2020"
        ),
    ),
    _kaggle_set(
        "br35h",
        "ahmedhamada0/brain-tumor-detection",
        size=90 * MEGABYTE,
        title="slices with and without a tumor, of several sequences; many near-copies",
        layout=Layout.YES_NO,
        images=3000,
        licence="unclear: use it to train and measure, do not hand it on",
        citation="Hamada A. Br35H :: Brain Tumor Detection 2020. Kaggle, 2020",
    ),
    _kaggle_set(
        "navoneel",
        "navoneel/brain-mri-images-for-brain-tumor-detection",
        size=16 * MEGABYTE,
        title="a small set with and without a tumor, collected from the web, with duplicates",
        layout=Layout.YES_NO,
        images=253,
        licence="unclear: use it to measure, do not hand it on",
        citation="Chakrabarty N. Brain MRI Images for Brain Tumor Detection. Kaggle, 2019",
    ),
)

SETS = {one.name: one for one in _ALL}
"""Name → public set, in the order in which they are listed."""


def find(name: str) -> PublicSet:
    """The set of a name.

    Raises:
        DatasetError: There is none; names the nearest and all.
    """
    wanted = name.strip().lower()
    if wanted in SETS:
        return SETS[wanted]
    near = get_close_matches(wanted, SETS, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    msg = f"{name}: no public set of this name; {hint}There are {', '.join(SETS)}"
    raise DatasetError(msg)


def megabytes(size: int) -> str:
    """A size for a person: ``879 MB``, ``1.5 GB``."""
    gigabyte = 1000 * MEGABYTE
    if size >= gigabyte:
        return f"{size / gigabyte:.1f} GB"
    return f"{max(size / MEGABYTE, 0.1):.{0 if size >= MEGABYTE else 1}f} MB"
