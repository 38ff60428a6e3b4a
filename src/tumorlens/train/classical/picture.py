"""What every feature is measured on: a slice without its noise, equalised, and segmented."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from tumorlens.train.classical.histogram import histogram, kmeans, otsu, ranks, to_levels
from tumorlens.train.classical.spec import Denoise, Equalise, Segmentation

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.train.classical.spec import ClassicalSpec

RIM = 0.08
"""Skin and skull, as a share of the picture's side: what is so near the air is not looked into."""

SEED_WINDOW = 9
"""Pixels a side within which the brightest place is looked for."""

REACH = 48
"""Steps from that place to the farthest pixel of its spot; at 128 pixels a side, three eighths."""

# The 19 comparisons that leave the median of nine values in the middle one (Smith, 1996).
_MEDIAN_OF_NINE = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


class Picture(NamedTuple):
    """A slice, ready to be measured; every part is (N, H, W).

    Attributes:
        grey: Without noise, in [0, 1].
        equal: Equalised within the head, in [0, 1]; 0 outside.
        head: 1 inside the head, skin and skull included.
        brain: 1 where the brain can be: the head without its rim.
        spot: 1 in the brightest connected spot of the brain, the candidate for a tumor.
    """

    grey: Tensor
    equal: Tensor
    head: Tensor
    brain: Tensor
    spot: Tensor


def look(image: Tensor, spec: ClassicalSpec) -> Picture:
    """Prepare and segment slices.

    1. Reduce noise.
    2. Call head what Otsu's threshold calls bright, and all that lies between its pixels.
    3. Equalise the intensities inside the head.
    4. Take the rim away, and call bright what the threshold or the clusters say, of what is left.
    5. Open the bright pixels, and keep those that hang together with the brightest place.

    Segmentation looks at the intensities before they are equalised: afterwards all are equally
    frequent, and there is nothing left to separate.

    Args:
        image: float32 (N, 1, H, W) in [0, 1].
        spec: The pipeline.
    """
    grey = denoised(image, spec.denoise)[:, 0]
    levels = to_levels(grey)
    everything = histogram(levels, torch.ones_like(levels))
    head = between(levels > otsu(everything).view(-1, 1, 1))
    equal = grey * head
    if spec.equalise is Equalise.HISTOGRAM:
        table = ranks(histogram(levels, head))
        rank = table.gather(1, levels.flatten(1).long()).view_as(levels)
        equal = rank * head
    brain = eroded(head, max(1, round(RIM * image.shape[2])))
    bright = opened(brain * above(levels, brain, spec))
    return Picture(grey, equal, head, brain, grown(brightest(grey, bright), bright))


def denoised(image: Tensor, way: Denoise) -> Tensor:
    """(N, 1, H, W) with less noise, of the same shape; the border is repeated outwards."""
    if way is Denoise.NONE:
        return image
    padded = functional.pad(image, [1, 1, 1, 1], mode="replicate")
    if way is Denoise.GAUSSIAN:
        row = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device)
        across = functional.conv2d(padded, row.view(1, 1, 1, 3))
        return functional.conv2d(across, row.view(1, 1, 3, 1))
    height, width = image.shape[2:]
    nine = [padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    for i, j in _MEDIAN_OF_NINE:
        nine[i], nine[j] = torch.minimum(nine[i], nine[j]), torch.maximum(nine[i], nine[j])
    return nine[4]


def between(marked: Tensor) -> Tensor:
    """1 wherever marked pixels lie to all four sides, or on the pixel itself: (N, H, W)."""
    found = marked.to(torch.float32)
    sides = [found.cumsum(dim) for dim in (1, 2)]
    sides += [found.flip(dim).cumsum(dim).flip(dim) for dim in (1, 2)]
    inside = torch.stack(sides).amin(dim=0) > 0
    return inside.to(torch.float32)


def eroded(mask: Tensor, margin: int) -> Tensor:
    """A mask (N, H, W) without what lies within `margin` pixels of its outside, or of the frame."""
    outside = functional.pad(1 - mask, [margin] * 4, value=1.0)
    return 1 - functional.max_pool2d(outside.unsqueeze(1), 2 * margin + 1, stride=1)[:, 0]


def opened(mask: Tensor) -> Tensor:
    """A mask (N, H, W) without what is narrower than three pixels: vessels and noise."""
    kept = eroded(mask, 1)
    return functional.max_pool2d(kept.unsqueeze(1), 3, stride=1, padding=1)[:, 0]


def above(levels: Tensor, brain: Tensor, spec: ClassicalSpec) -> Tensor:
    """1 where a pixel is bright among those of the brain: (N, H, W).

    Otsu's threshold parts the brain from its fluid, so it is asked once more about what is above.
    """
    counts = histogram(levels, brain)
    if spec.segmentation is Segmentation.OTSU:
        fluid = otsu(counts)
        limit = otsu(histogram(levels, brain * (levels > fluid.view(-1, 1, 1))))
    else:
        centres = kmeans(counts, spec.clusters)
        limit = (centres[:, -1] + centres[:, -2]) / 2
    return (levels > limit.view(-1, 1, 1)).to(levels.dtype)


def brightest(grey: Tensor, mask: Tensor) -> Tensor:
    """1 on the pixel of a mask around which the mask is brightest and fullest: (N, H, W)."""
    light = functional.avg_pool2d(
        (grey * mask).unsqueeze(1), SEED_WINDOW, stride=1, padding=SEED_WINDOW // 2
    )[:, 0]
    light = light * mask
    most = light.amax(dim=(1, 2), keepdim=True)
    return ((light >= most) & (mask > 0)).to(grey.dtype)


def grown(seed: Tensor, mask: Tensor) -> Tensor:
    """The part of a mask (N, H, W) that hangs together with a seed, up to `REACH` steps away."""
    spot, limit = seed.unsqueeze(1), mask.unsqueeze(1)
    for _ in range(REACH):
        spot = torch.minimum(functional.max_pool2d(spot, 3, stride=1, padding=1), limit)
    return spot[:, 0]
