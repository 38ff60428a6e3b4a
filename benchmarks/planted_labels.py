"""How many wrong labels an audit finds: some labels of a set are changed, and searched for.

python benchmarks/planted_labels.py sets/cheng sets/sartaj
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.collect import collect
from tumorlens.data.audit.copies import find_copies
from tumorlens.data.audit.suspects import find_suspects

if TYPE_CHECKING:
    from tumorlens.data.audit.facts import ImageFacts

SHARE = 0.02
"""Of the labels that are changed."""


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    print("set: changed, found, named in all, named before the change")
    for folder in parser.parse_args().sets:
        images = _grouped(folder)
        planted, changed = _planted(images)
        named = {suspect.image for suspect in find_suspects(planted)}
        before = len(find_suspects(images))
        print(f"{folder.name}: {len(changed)}, {len(changed & named)}, {len(named)}, {before}")


def _grouped(folder: Path) -> list[ImageFacts]:
    """The images of a set, near-copies joined."""
    collection = collect([folder], cache_folder=None, workers=1)
    found = find_copies(collection.images, collection.heads)
    groups = found.independent.labels[found.pictures.of]
    return [
        replace(image, group=int(group))
        for image, group in zip(collection.images, groups, strict=True)
    ]


def _planted(images: list[ImageFacts]) -> tuple[list[ImageFacts], set[str]]:
    """The images with some labels changed, and the names of those."""
    labels = sorted({image.label for image in images})
    chance = np.random.default_rng(0)
    planted, changed = [], set()
    for image in images:
        one = image
        if chance.random() < SHARE:
            shift = int(chance.integers(1, len(labels)))
            other = labels[(labels.index(image.label) + shift) % len(labels)]
            # Its own hash, or its untouched copies would give it away at once.
            one = replace(image, label=other, pixel_sha256=f"{image.pixel_sha256}-changed")
            changed.add(image.name)
        planted.append(one)
    return planted, changed


if __name__ == "__main__":
    main()
