"""What a recipe says of a classical pipeline, checked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Denoise(StrEnum):
    """How noise is reduced before anything is measured; both look at 3x3 pixels."""

    NONE = "none"
    MEDIAN = "median"
    GAUSSIAN = "gaussian"


class Equalise(StrEnum):
    """How intensities are brought to one scale before texture is measured."""

    NONE = "none"
    HISTOGRAM = "histogram"


class Segmentation(StrEnum):
    """What calls pixels of the brain bright: Otsu's threshold, or the brightest k-means cluster."""

    OTSU = "otsu"
    KMEANS = "kmeans"


class Family(StrEnum):
    """The kinds of features."""

    GLCM = "glcm"
    SHAPE = "shape"
    INTENSITY = "intensity"
    LBP = "lbp"
    HOG = "hog"


class Learner(StrEnum):
    """What decides by the features."""

    SVM = "svm"
    KNN = "knn"
    TREE = "tree"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SvmChoices(_Strict):
    """The support vector machines that are tried.

    Attributes:
        kernel: ``rbf`` or ``linear``.
        c: How much each training image outside the margin costs.
        gamma: Of the RBF kernel, in units of one over the number of features.
    """

    kernel: Literal["rbf", "linear"] = "rbf"
    c: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.0, 10.0, 100.0)
    gamma: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.3, 1.0, 3.0)


class KnnChoices(_Strict):
    """The nearest-neighbour classifiers that are tried.

    Attributes:
        neighbours: How many training images have a vote.
    """

    neighbours: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 3, 5, 9, 15)


class TreeChoices(_Strict):
    """The decision trees that are tried.

    Attributes:
        depth: Most questions from the root to a leaf.
        leaf: Fewest training images in a leaf.
    """

    depth: Annotated[tuple[Count, ...], Field(min_length=1)] = (4, 8, 16)
    leaf: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 5, 20)


class ClassicalSpec(_Strict):
    """From a slice to classes without a network.

    Attributes:
        denoise: Noise reduction.
        equalise: Intensity equalisation, inside the head.
        segmentation: What calls pixels of the brain bright.
        clusters: Of k-means.
        features: The families that are measured.
        levels: Grey levels of the co-occurrence matrices.
        distances: Pixels between the two of a co-occurrence.
        classifier: What decides.
        class_weight: ``balanced`` lets each class count the same in training; nearest neighbours
            know no weights.
        svm: The support vector machines that are tried.
        knn: The nearest-neighbour classifiers that are tried.
        tree: The decision trees that are tried.
        refit: Fit the chosen one once more with the validation images; what calibrates it stays.
    """

    denoise: Denoise = Denoise.MEDIAN
    equalise: Equalise = Equalise.HISTOGRAM
    segmentation: Segmentation = Segmentation.KMEANS
    clusters: Annotated[int, Field(ge=2, le=8)] = 4
    features: Annotated[tuple[Family, ...], Field(min_length=1)] = (
        Family.GLCM,
        Family.SHAPE,
        Family.INTENSITY,
    )
    levels: Annotated[int, Field(ge=4, le=32)] = 16
    distances: Annotated[
        tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=1, max_length=4)
    ] = (1, 3)
    classifier: Learner = Learner.SVM
    class_weight: Literal["none", "balanced"] = "balanced"
    svm: SvmChoices = SvmChoices()
    knn: KnnChoices = KnnChoices()
    tree: TreeChoices = TreeChoices()
    refit: bool = True

    @model_validator(mode="after")
    def _once(self) -> ClassicalSpec:
        for name in ("features", "distances"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                msg = f"{name} names one of them twice: {', '.join(map(str, values))}"
                raise ValueError(msg)
        return self
