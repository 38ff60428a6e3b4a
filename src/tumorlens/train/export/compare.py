"""How far a file's answers are from those of what it was made of, and how far they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.errors import ModelIncompatible
from tumorlens.model.prepare import prepare
from tumorlens.scan import draw_phantom

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.model.format import InputSpec
    from tumorlens.model.run import RawOutputs

DRAWN_SIDE = 256
"""Of the heads that files are compared on; about the size of a slice."""

_KINDS = (None, "glioma", "meningioma", "pituitary")
# Noise is far from anything learnt: it drives novelty and logits to values that heads do not.
_SEEDS = range(4)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a file's answers may be from those of its source.

    Attributes:
        probabilities: Largest absolute difference of a probability.
        mask: Of a mask's pixel.
        evidence: Root mean square difference of heatmaps or novelties, as a share of the root mean
            square of the source's, or of 1 where that is smaller. A single pixel may differ more:
            where a head has hidden layers, a unit that is as good as silent may fall silent, which
            changes no probability but the places that it points to.
    """

    probabilities: float
    mask: float
    evidence: float


SAME_GRAPH = Tolerance(probabilities=1e-4, mask=1e-4, evidence=1e-3)
"""32-bit float in another order of summation; logits are tens in size, and novelty divides small
differences of features by smaller spreads: a network that has hardly learnt reaches 2e-4."""

HALF_PRECISION = Tolerance(probabilities=0.05, mask=0.1, evidence=0.05)
"""16-bit float keeps 11 bits of each number; some fifty layers add up to a few thousandths of the
features, and on pictures between two classes to a few hundredths of a probability: a frozen
MobileNetV2 with a hidden layer moves by up to 0.021 on drawn heads and noise. Where an outline
ends, a mask rises from 0 to 1 within two or three pixels, and one of them may move by 0.07."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The difference of each output; see `Tolerance` for what is compared."""

    by_output: dict[str, float]

    def require(self, tolerance: Tolerance, what: str) -> None:
        """Raise where one is beyond its tolerance, or is not a number.

        Args:
            tolerance: How far they may be.
            what: What was compared, to start a sentence with.

        Raises:
            ModelIncompatible: One is.
        """
        beyond = {
            name: value
            for name, value in self.by_output.items()
            if not value <= _limit(tolerance, name)
        }
        if beyond:
            told = ", ".join(
                f"{name} by {value:.2g} (allowed: {_limit(tolerance, name):.2g})"
                for name, value in beyond.items()
            )
            msg = f"{what} differs from what it was made of: {told}; no file was left"
            raise ModelIncompatible(msg)

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.1g}" for name, value in self.by_output.items())


def differences(given: RawOutputs, wanted: RawOutputs) -> Differences:
    """How far answers for some images are from the answers that are wanted for them."""
    found = {
        "probabilities": _largest(given.probabilities - wanted.probabilities),
        "heatmap": _share(given.heatmap, wanted.heatmap),
        "novelty": _share(given.novelty, wanted.novelty),
    }
    if wanted.mask is not None and given.mask is not None:
        found["mask"] = _largest(given.mask - wanted.mask)
    return Differences(found)


def drawn_images(spec: InputSpec) -> NDArray[np.float32]:
    """Drawn heads with and without lesions, and noise: float32 (N, channels, H, W) in [0, 1]."""
    heads = [
        prepare(draw_phantom(seed, tumor=kind, size=DRAWN_SIDE).pixels, spec).tensor
        for seed, kind in zip(_SEEDS, _KINDS, strict=True)
    ]
    noise = np.random.default_rng(0).random((1, spec.height, spec.width), np.float32)
    return np.stack([*heads, np.broadcast_to(noise, heads[0].shape)])


def _limit(tolerance: Tolerance, output: str) -> float:
    if output == "mask":
        return tolerance.mask
    return tolerance.probabilities if output == "probabilities" else tolerance.evidence


def _largest(values: NDArray[np.float32]) -> float:
    return float(np.abs(values).max(initial=0))


def _share(given: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    return _size(given - wanted) / max(1.0, _size(wanted))


def _size(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))
