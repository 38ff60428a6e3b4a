"""The heatmap: where the evidence for a class lies, from the forward pass that gave the answer.

The network gives the class activation map of every class, in logits: the mean of a class's map
plus a constant is that class's logit (Zhou et al., "Learning deep features for discriminative
localization", 2016). Softmax knows only differences between logits, so evidence for a class is
what its map has above the mean of all classes' maps.

Evidence is not stretched to fill the scale: it is divided by its own maximum only where that is
above `EVIDENCE_SCALE`, so that a weak map looks weak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.decide.finding import Finding
    from tumorlens.model.format import ModelMetadata

# Evidence, in logits, that is drawn at full strength. If a whole slice had it, the class would
# be e^10 times as likely as the average class. The bundled network reaches it at the heart of
# lesions (nine in ten slices with a tumor), and stays below a quarter of it in slices without.
EVIDENCE_SCALE = 10.0


def heatmap_class(finding: Finding, metadata: ModelMetadata) -> str | None:
    """The class that a reader is shown the evidence of.

    The label where there is one, else the most probable tumor class, also where no tumor was
    found: what spoke for one is what a reader wants to check. None if rejected.
    """
    if finding.status is Status.REJECTED:
        return None
    if finding.label is not None:
        return finding.label
    return max(metadata.positive, key=lambda name: finding.probabilities[name])


def evidence(maps: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """The evidence for one class, at the network's resolution.

    Args:
        maps: float32 (C, h, w), the class activation maps of one slice, in logits.
        index: Which class.

    Returns:
        float32 (h, w) in [0, 1]: 0 where nothing speaks for the class more than for the others.
    """
    positive = np.maximum(maps[index] - maps.mean(axis=0), 0)
    scale = max(float(positive.max(initial=0)), EVIDENCE_SCALE)
    return np.asarray(positive / np.float32(scale), np.float32)
