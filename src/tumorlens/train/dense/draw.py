"""Batches to learn from: pictures of all sets, with lesions taken out of some and put into others.

Everything that chance decides comes from one generator, so that a resumed run draws what the
unbroken one would have drawn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import torch

from tumorlens.train.augment import augment_pairs
from tumorlens.train.dense import lesions
from tumorlens.train.dense.losses import Taught
from tumorlens.train.dense.style import mix_styles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Generator, Tensor

    from tumorlens.train.augment.spec import AugmentRecipe
    from tumorlens.train.dense.images import MarkedImages
    from tumorlens.train.dense.spec import DenseSpec

UNKNOWN = -1
"""A kind that is not known."""

LEFT_OVER = 0.5
"""A mask whose highest value is below this holds no lesion any more: it was moved out of view."""


class Role(IntEnum):
    """What a picture can teach."""

    MARKED = 0
    FREE = 1
    UNMARKED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One picture as it is drawn, before it is augmented.

    Attributes:
        picture, mask: float32 (1, H, W) in [0, 1].
        mask_known: Whether the mask, empty or not, is the truth.
        tumor: Whether the picture shows a tumor.
        kind: Of which kind, or `UNKNOWN`.
    """

    picture: Tensor
    mask: Tensor
    mask_known: bool
    tumor: bool
    kind: int


class Drawer:
    """Draws pictures and batches.

    Args:
        data: What there is.
        spec: How often what is drawn and done.
    """

    def __init__(self, data: MarkedImages, spec: DenseSpec) -> None:
        self._data = data
        self._spec = spec
        self._pools = {role: _pool(data, role) for role in Role}
        weights = (spec.draws.marked, spec.draws.free, spec.draws.unmarked)
        self._shares = torch.tensor(
            [w * (len(self._pools[r]) > 0) for r, w in zip(Role, weights, strict=True)]
        )
        power = spec.draws.size_power
        self._weights = {r: _by_size_of_set(data, p, power) for r, p in self._pools.items()}
        marked = self._pools[Role.MARKED]
        self._position = {int(number): place for place, number in enumerate(marked)}
        self._donors = lesions.find_donors(data.images.pixels[marked], data.masks[marked])

    def batches(
        self, count: int, size: int, ranges: AugmentRecipe, chance: Generator
    ) -> Iterator[tuple[Tensor, Taught]]:
        """Augmented batches: pictures float32 (size, 1, H, W) in [0, 1], and what is known."""
        for _ in range(count):
            yield self._batch([self.draw(chance) for _ in range(size)], ranges, chance)

    def draw(self, chance: Generator) -> Drawn:
        """One picture."""
        role = Role(int(torch.multinomial(self._shares, 1, generator=chance)))
        pick = torch.multinomial(self._weights[role], 1, generator=chance)
        number = int(self._pools[role][pick])
        picture, mask = self._picture(number)
        if role is Role.MARKED:
            return self._marked(number, picture, mask, chance)
        if role is Role.FREE:
            return self._free(picture, mask, chance)
        return Drawn(picture, mask, mask_known=False, tumor=True, kind=UNKNOWN)

    def _marked(self, number: int, picture: Tensor, mask: Tensor, chance: Generator) -> Drawn:
        spec = self._spec.lesions
        kind = int(self._data.kinds[number])
        if _happens(spec.remove, chance):
            donor, _ = self._donor(number, chance)
            picture = lesions.transplant(picture, donor, lesions.place_of(mask))
            mask, drawn = torch.zeros_like(mask), _happens(spec.draw_removed, chance)
            if drawn:
                spot = lesions.spot_in_head(picture, chance)
                picture, mask = lesions.draw_lesion(picture, spot, chance)
            return Drawn(picture, mask, mask_known=True, tumor=drawn, kind=UNKNOWN)
        if _happens(spec.artefact, chance):
            picture = self._with_seam(number, picture, mask, chance)
        return Drawn(picture, mask, mask_known=True, tumor=True, kind=kind)

    def _free(self, picture: Tensor, mask: Tensor, chance: Generator) -> Drawn:
        spec = self._spec.lesions
        way = float(torch.rand((), generator=chance))
        changed = way < spec.implant + spec.draw
        if way < spec.implant:
            lesion, outline = self._picture(self._any_marked(chance))
            spot = lesions.spot_in_head(picture, chance)
            moved = lesions.move(lesion, outline, spot, chance)
            picture, mask = lesions.implant(picture, moved[:1], moved[1:], chance)
        elif changed:
            spot = lesions.spot_in_head(picture, chance)
            picture, mask = lesions.draw_lesion(picture, spot, chance)
        return Drawn(picture, mask, mask_known=True, tumor=changed, kind=UNKNOWN)

    def _with_seam(self, number: int, picture: Tensor, mask: Tensor, chance: Generator) -> Tensor:
        """Tissue of another head in a place away from the lesion, where neither has one."""
        _, outline = self._picture(self._any_marked(chance))
        place = lesions.place_of(outline)
        donor, lesion = self._donor(number, chance)
        if (place * (lesions.place_of(mask) + lesion)).sum() >= 1:
            return picture
        return lesions.transplant(picture, donor, place)

    def _donor(self, number: int, chance: Generator) -> tuple[Tensor, Tensor]:
        """One of a picture's donors, with the donor's own lesion."""
        row = self._position[number]
        column = int(torch.randint(lesions.DONORS, (1,), generator=chance))
        chosen = self._pools[Role.MARKED][self._donors.index[row, column]]
        picture, mask = self._picture(int(chosen))
        if self._donors.mirrored[row, column]:
            return picture.flip(2), mask.flip(2)
        return picture, mask

    def _any_marked(self, chance: Generator) -> int:
        pool = self._pools[Role.MARKED]
        return int(pool[torch.randint(len(pool), (1,), generator=chance)])

    def _picture(self, number: int) -> tuple[Tensor, Tensor]:
        return self._data.images.pixels[number].float() / 255, self._data.masks[
            number
        ].float() / 255

    def _batch(
        self, drawn: list[Drawn], ranges: AugmentRecipe, chance: Generator
    ) -> tuple[Tensor, Taught]:
        pictures = torch.stack([one.picture for one in drawn])
        masks = torch.stack([one.mask for one in drawn])
        pictures = mix_styles(pictures, self._spec.style_mixing, chance)
        pictures, masks = augment_pairs(pictures, masks, ranges, chance)
        known = torch.tensor([one.mask_known for one in drawn])
        gone = known & (masks.amax(dim=(1, 2, 3)) < LEFT_OVER)
        tumor = torch.tensor([float(one.tumor) for one in drawn])
        kind = torch.tensor([one.kind for one in drawn])
        return pictures, Taught(
            masks, known, tumor.masked_fill(gone, 0.0), kind.masked_fill(gone, UNKNOWN)
        )


def _pool(data: MarkedImages, role: Role) -> Tensor:
    """The numbers of the pictures that can teach something."""
    unmarked = ~data.marked & ~data.free
    return torch.nonzero((data.marked, data.free, unmarked)[role]).flatten()


def _by_size_of_set(data: MarkedImages, pool: Tensor, power: float) -> Tensor:
    """How often each picture of a pool is drawn: a set counts by a power of its size."""
    sources = [data.images.entries[int(number)].source for number in pool]
    counts = Counter(sources)
    return torch.tensor([counts[source] ** (power - 1) for source in sources], dtype=torch.float64)


def _happens(share: float, chance: Generator) -> bool:
    return float(torch.rand((), generator=chance)) < share
