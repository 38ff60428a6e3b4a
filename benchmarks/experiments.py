"""What `protocol.py` trains, by which methods, and what is left out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
KEPT = REFERENCE / "protocol"
MANIFEST = REFERENCE / "tumorlens-v1-manifest.csv"
"""Cheng, Br35H and tcia_btp, dealt to five folds by patient or group."""

FOLDS = (1, 2, 3, 4, 5)
OTHERS = ("sartaj", "navoneel")
"""Sets that nothing here learns from."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to train.

    Attributes:
        says: In words.
        recipe: Its recipe.
        settings: As for ``--set``.
        doubts: Whether what it answers and withholds is measured.
        outlines: Methods whose networks draw the outlines of its five folds, each once for a look
            at the picture, and once more for one at its mirror image.
    """

    says: str
    recipe: str
    settings: tuple[str, ...] = ()
    doubts: bool = True
    outlines: tuple[str, ...] = ()


MIXED = (
    "fit.epochs=16",
    "dense.rules={level=0.4, peak_share=0.4}",
    "dense.draws={images=2560, size_power=0.75, marked=0.85, free=0.10, unmarked=0.05}",
    "dense.losses={overlap=1, smoothing=1, worst=0.1, tumor=0.1, kind=0}",
)
"""tumorlens-outlines as it was, with tumor-free pictures among those that it learns from."""

METHODS = {
    "tumorlens-v1": Method("tumorlens-v1", "tumorlens-v1", outlines=("outlines", "outlines")),
    "plain": Method(
        "plain classifier", "mobilenetv2-4class", ("fit.refit=false", "fit.patience=12")
    ),
    "moved": Method(
        "strong changes and moved lesions", str(Path(__file__).with_name("ablation.toml"))
    ),
    "outlines": Method("tumorlens-outlines", "tumorlens-outlines", doubts=False),
    "outlines-mixed": Method(
        "tumorlens-outlines, with tumor-free pictures, shorter",
        "tumorlens-outlines",
        MIXED,
        doubts=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is learnt from and what is left out.

    Attributes:
        sources: The sets that are learnt from.
        unseen: The sets that are left out.
        fold: The fold that is left out of the others.
    """

    sources: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    fold: int = 1

    @property
    def settings(self) -> list[str]:
        """As for ``--set``.

        Where a source is left out, thresholds are fitted on the next fold, which is not learnt
        from. Of five folds, each is fitted by the models of the others.
        """
        sources = ", ".join(f"'{name}'" for name in self.sources)
        return [
            *(["fit.refit=false"] if self.sources != ALL else []),
            f"data.sources=[{sources}]",
            f"data.test_fold={self.fold}",
            f"data.validation_fold={self.fold % len(FOLDS) + 1}",
        ]


ALL = ("cheng", "br35h", "tcia_btp")
EXPERIMENTS = {
    "without-tcia_btp": Experiment(("cheng", "br35h"), ("tcia_btp", *OTHERS)),
    "without-br35h": Experiment(("cheng", "tcia_btp"), ("br35h",)),
    "without-cheng": Experiment(("br35h", "tcia_btp"), ("cheng",)),
} | {f"fold-{number}": Experiment(ALL, OTHERS if number == 1 else (), number) for number in FOLDS}
