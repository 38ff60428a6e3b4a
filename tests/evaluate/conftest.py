"""Images by name only, and answers to them: enough for all figures."""

import numpy as np
import pytest

from tumorlens.data.manifest import Entry
from tumorlens.evaluate import metrics

CLASSES = ("no_tumor", "glioma", "meningioma", "pituitary")


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """Intervals of made-up answers need not be exact."""
    monkeypatch.setattr(metrics, "RESAMPLES", 50)


@pytest.fixture
def named():
    """Makes images of the labels, five to a group."""

    def make(labels, *, source="drawn", fold=1, start=0, **changes):
        return [
            Entry(
                name=f"{source}/{start + number}.png", sha256="0" * 64, source=source,
                label=label, group=f"{source}/near{(start + number) // 5}", fold=fold, **changes,
            )
            for number, label in enumerate(labels)
        ]  # fmt: skip

    return make


@pytest.fixture
def guesses():
    """Makes answers (N, C) that favour a given class, never certain and never tied."""

    def make(favoured, classes=4, seed=0):
        chance = np.random.default_rng(seed)
        logits = chance.normal(size=(len(favoured), classes))
        logits[np.arange(len(favoured)), favoured] += 1.5
        shares = np.exp(logits)
        return shares / shares.sum(axis=1, keepdims=True)

    return make
