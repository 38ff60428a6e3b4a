"""What brain MRI looks like, learnt from pictures of it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.decide.picture import picture_score
from tumorlens.model.decision import PictureGate
from tumorlens.scan.facts import FACTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Names = NDArray[np.str_]

FALSE_REJECTION = 0.01
"""The share of held-out brain MRI of any one source that may be rejected."""

UNUSUAL = 0.02
"""The share of all held-out brain MRI whose picture as a whole may make the answer uncertain, and
the share that may do so by one fact alone."""

GAUSSIANS = 8
"""Views (axial, coronal, sagittal) times sequences; more do not tell more apart."""

IMAGES_A_GAUSSIAN = 30
"""A Gaussian of 23 facts is not told by fewer images than about so many."""

ADDED_VARIANCE = 0.2
"""Of each scaled fact: pictures of other scanners differ more than those of the training data."""

_RANGE = 0.5
"""Percent of brain MRI on either side of what is called their range."""

_DIGITS = 6
_HALF_DIGIT = 0.5 * 10**-_DIGITS  # so that rounding leaves no image outside


def fit_picture_gate(facts: Numbers, sources: Names, parts: NDArray[np.intp]) -> PictureGate:
    """Fit the gate on brain MRI.

    1. Each part is scored by a mixture that was fitted without it.
    2. The limit of rejection is the highest over the sources of the score that
       `FALSE_REJECTION` of its images exceed: no source may lose more.
    3. The mixture itself is fitted on all parts.
    4. Where there are enough images, the extremes of each fact are kept: a mixture that is wide in
       one direction lets a drawing pass whose outline is more even than that of any head. Of N
       images and one more like them, the one more sets a new extreme in some fact with a chance of
       at most 2 F / (N + 1), which must not be above `UNUSUAL`.

    Args:
        facts: (N, F).
        sources: The set of each, (N,).
        parts: A number for each, (N,): images of one patient have the same.
    """
    scores = np.zeros(len(facts))
    for part in np.unique(parts):
        held = parts == part
        gate = _fitted(facts[~held])
        scores[held] = [picture_score(one, gate) for one in facts[held]]
    rejected = max(
        float(np.quantile(scores[sources == source], 1 - FALSE_REJECTION))
        for source in np.unique(sources)
    )
    uncertain = min(rejected, float(np.quantile(scores, 1 - UNUSUAL)))
    limits: dict[str, Any] = {
        "uncertain": round(uncertain, _DIGITS),
        "rejected": round(rejected, _DIGITS),
    }
    count, size = facts.shape
    if 2 * size / (count + 1) <= UNUSUAL:
        limits["least"] = _rounded(facts.min(axis=0) - _HALF_DIGIT)
        limits["most"] = _rounded(facts.max(axis=0) + _HALF_DIGIT)
    return _fitted(facts).model_copy(update=limits)


def _fitted(facts: Numbers) -> PictureGate:
    """The mixture of some images, without limits yet."""
    from sklearn.mixture import GaussianMixture

    centre, scale = facts.mean(axis=0), np.maximum(facts.std(axis=0), 1e-3)
    scaled = (facts - centre) / scale
    count = int(np.clip(len(facts) // IMAGES_A_GAUSSIAN, 1, GAUSSIANS))
    mixture = GaussianMixture(count, reg_covar=ADDED_VARIANCE, random_state=0, n_init=2)
    mixture.fit(scaled)
    low, high = np.percentile(facts, (_RANGE, 100 - _RANGE), axis=0)
    upper = np.triu_indices(facts.shape[1])
    return PictureGate(
        facts=tuple(fact.value for fact in FACTS),
        centre=_rounded(centre),
        scale=_rounded(scale),
        weights=_rounded(mixture.weights_),
        means=tuple(_rounded(mean) for mean in mixture.means_),
        # scikit-learn's factor of a precision is the upper triangle that whitens.
        whitening=tuple(_rounded(one[upper]) for one in mixture.precisions_cholesky_),
        offset=round(-float(mixture.score_samples(scaled).max()), _DIGITS),
        low=_rounded(low),
        high=_rounded(high),
        uncertain=0.0,
        rejected=0.0,
    )


def _rounded(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)
