"""Is it a brain MRI at all? A picture's own facts, against those of the training pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Reason, Status
from tumorlens.decide.verdict import PASSED, Verdict
from tumorlens.scan.facts import Fact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.model.decision import PictureGate

    Facts = NDArray[np.float64]

WORDS: dict[Fact, tuple[str, str]] = {
    Fact.FOREGROUND: ("little of it is brighter than the ground", "it has hardly any dark ground"),
    Fact.FILLED: ("what is bright has dark gaps in it", "what is bright has no gap at all"),
    Fact.ROUND: ("its outline is not that of a head", "its outline is too even for a head"),
    Fact.LENGTH: ("its outline is too circular for a head", "its outline is too long for a head"),
    Fact.OFF_CENTRE: ("it lies too exactly in the middle", "it lies away from the middle"),
    Fact.FRAME: ("its border is too dark", "its border is bright"),
    Fact.CORNERS: ("its corners are too dark", "its corners are bright"),
    Fact.SYMMETRY: ("its two sides are unlike each other", "its two sides are too much alike"),
    Fact.DARK_GREY: ("its dark greys are too dark", "it lacks dark greys"),
    Fact.MIDDLE_GREY: ("its middle greys are too dark", "its middle greys are too bright"),
    Fact.BRIGHT_GREY: ("it lacks bright greys", "its bright greys are too bright"),
    Fact.GREYS: ("it has too few greys", "it has too many different greys"),
    Fact.EVEN: ("nothing in it is even", "much of it is one even grey"),
    Fact.EDGES: ("it has too few edges", "it has too many edges"),
    Fact.FINE: ("it lacks fine detail", "it has too much fine detail"),
    Fact.MIDDLE: ("it lacks detail of the size of folds", "it has too much detail of that size"),
    Fact.COARSE: ("it lacks large structures", "it has too large structures"),
    Fact.RIM: ("its rim is too dark for skin and skull", "its rim is too bright"),
    Fact.RING: ("it is too dark below its rim", "it is too bright below its rim"),
    Fact.CORE: ("its middle is too dark", "its middle is too bright"),
    Fact.WHITE: ("none of it is white", "much of it is white"),
    Fact.TEXT: ("", "it looks like writing"),
    Fact.SHARPNESS: ("it is blurred", "it is unnaturally sharp"),
}
"""Each fact in words: where it is below, and where it is above what brain MRI show."""

TOLD = 3
"""So many facts are told: the farthest out name the cause, the others follow from it."""


def picture_score(facts: Facts, gate: PictureGate) -> float:
    """How much less likely a picture is than the most ordinary brain MRI, in nats."""
    scaled = (facts - np.array(gate.centre)) / np.array(gate.scale)
    size = len(scaled)
    rows, columns = np.triu_indices(size)
    parts = []
    for weight, mean, triangle in zip(gate.weights, gate.means, gate.whitening, strict=True):
        whitening = np.zeros((size, size))
        whitening[rows, columns] = triangle
        away = (scaled - np.array(mean)) @ whitening
        log_determinant = np.log(np.maximum(np.abs(np.diag(whitening)), 1e-12)).sum()
        log_density = log_determinant - 0.5 * (away @ away + size * math.log(2 * math.pi))
        parts.append(math.log(weight) + float(log_density))
    highest = max(parts)
    total = highest + math.log(sum(math.exp(part - highest) for part in parts))
    return -total - gate.offset


def judge_picture(facts: Facts, gate: PictureGate | None) -> Verdict:
    """Judge a slice by what its picture looks like.

    Args:
        facts: float64 (F,), from `tumorlens.scan.facts.facts_of`.
        gate: What brain MRI looks like; None lets everything pass.
    """
    if gate is None:
        return PASSED
    return judge_score(picture_score(facts, gate), facts, gate)


def judge_score(score: float, facts: Facts, gate: PictureGate) -> Verdict:
    """`judge_picture` of a picture whose score is known."""
    for status, limit, what in (
        (Status.REJECTED, gate.rejected, "does not look like a brain MRI"),
        (Status.UNCERTAIN, gate.uncertain, "is an unusual picture of a brain"),
    ):
        if score > limit:
            why = "; ".join(oddities(facts, gate)) or "its shape and greys do not go together"
            text = f"it {what}: {why} (unlikeness {score:.3g}, limit {limit:.3g})"
            reason = Reason(code="picture", text=text, measure=round(score, 6), limit=limit)
            return Verdict(status, (reason,))
    return _judge_extremes(facts, gate)


def _judge_extremes(facts: Facts, gate: PictureGate) -> Verdict:
    """Uncertain where a fact is beyond that of every picture that the gate was fitted on."""
    if not gate.most:
        return PASSED
    least, most = np.array(gate.least), np.array(gate.most)
    beyond = np.maximum(least - facts, facts - most) / np.maximum(most - least, 1e-6)
    farthest = int(np.argmax(beyond))
    if beyond[farthest] <= 0:
        return PASSED
    is_above = facts[farthest] > most[farthest]
    fact, limit = gate.facts[farthest], (most if is_above else least)[farthest]
    words = WORDS[Fact(fact)][int(is_above)] or f"its {fact} is out of range"
    text = (
        f"unlike every picture that the model was trained on, {words} "
        f"({fact} {facts[farthest]:.3g}, limit {limit:.3g})"
    )
    reason = Reason(
        code="extreme", text=text, measure=round(float(facts[farthest]), 6), limit=float(limit)
    )
    return Verdict(Status.UNCERTAIN, (reason,))


def oddities(facts: Facts, gate: PictureGate) -> list[str]:
    """What is outside the range of brain MRI, in words, the farthest out first."""
    low, high = np.array(gate.low), np.array(gate.high)
    width = np.maximum(high - low, 1e-6)
    below, above = (low - facts) / width, (facts - high) / width
    order = np.argsort(-np.maximum(below, above), kind="stable")
    found: list[str] = []
    for index in order:
        if max(below[index], above[index]) <= 0 or len(found) == TOLD:
            break
        words = WORDS[Fact(gate.facts[index])][int(above[index] > below[index])]
        found += [words] if words else []
    return found
