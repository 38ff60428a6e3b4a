"""Two reporting guidelines, item by item, with where each is answered.

CLAIM 2024: Tejani et al., "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update", 2024. TRIPOD+AI: Collins et al., "TRIPOD+AI statement", 2024. Items are named in short.
"""

from __future__ import annotations

from typing import NamedTuple

_CARD = "[model card](model-card.md)"
_SHEET = "[data sheet](data-sheet.md)"
_RESULTS = "[results](results.md)"
_NONE = "Not known: the sets do not say it"
_RECIPE = "the recipe in the model file"


class Item(NamedTuple):
    """One item of a guideline.

    Attributes:
        number: As the guideline counts.
        asks: What it asks for, in short.
        answer: Where it is answered, or that it is not.
    """

    number: str
    asks: str
    answer: str


CLAIM = (
    Item("1", "Identification as a study of AI", f"{_CARD}, title"),
    Item("2", "Structured summary", f"{_CARD}"),
    Item("3", "Background, intended use and role", f"{_CARD}, intended use"),
    Item("4", "Aims and hypotheses", f"{_CARD}, intended use; no hypothesis was tested"),
    Item("5", "Prospective or retrospective", "Retrospective, on public sets"),
    Item("6", "Goal", "Finding tumors in single slices and series, and naming the kind"),
    Item("7", "Data sources", f"{_SHEET}, composition"),
    Item("8", "Inclusion and exclusion", f"{_SHEET}, collection; the manifest names every image"),
    Item("9", "Preprocessing", f"{_SHEET}, preprocessing"),
    Item("10", "Selection of data subsets", "The manifest; slices as published, none were chosen"),
    Item("11", "De-identification", "By those who published the sets"),
    Item("12", "Missing data", "Tumors of unknown kind count as tumors only"),
    Item("13", "Image acquisition", _NONE),
    Item("14", "Reference standard", f"{_SHEET}, labels"),
    Item("15", "Rationale of the reference standard", f"{_SHEET}, labels; the only one published"),
    Item("16", "Source of annotations", f"{_SHEET}, labels"),
    Item("17", "Annotation of the test set", "As of the training set; none was made for this test"),
    Item("18", "Agreement of readers", _NONE),
    Item("19", "Assignment to partitions", f"{_SHEET}, composition"),
    Item("20", "Level of disjointness", "Patient; group of near-copies where patients are unknown"),
    Item("21", "Intended sample size", "None was planned: all images of the sets are used"),
    Item("22", "Model", f"{_CARD}; {_RECIPE}"),
    Item("23", "Software", "`created_with` in the model file"),
    Item("24", "Initial parameters", "ImageNet weights, named in the run's `start.json`"),
    Item("25", "Training", f"{_RECIPE}"),
    Item("26", "Selection of the final model", f"{_RECIPE}; never by the test fold"),
    Item("27", "Ensembling", "None"),
    Item("28", "Metrics", f"{_RESULTS}"),
    Item("29", "Uncertainty", f"{_RESULTS}: 95 % intervals by bootstrap over groups"),
    Item("30", "Robustness", f"{_RESULTS}, sources left out; `tumorlens explain`, stability"),
    Item("31", "Explainability", f"{_RESULTS}, heatmaps, scored against masks"),
    Item("32", "Internal testing", f"{_RESULTS}, before any answer is withheld"),
    Item("33", "External testing", f"{_RESULTS}, sources left out; there is no other"),
    Item("34", "Registration", "None; it is no clinical trial"),
    Item("35", "Numbers included and excluded", f"{_RESULTS}; {_SHEET}"),
    Item("36", "Demographics", _NONE),
    Item("37", "Performance on all partitions", f"{_RESULTS}"),
    Item("38", "Estimates with precision", f"{_RESULTS}"),
    Item("39", "Failure analysis", "The gallery of errors, `evaluation.html`; by source and size"),
    Item("40", "Limits", f"{_CARD}, limits"),
    Item("41", "Implications for practice", "None: it is not for practice"),
    Item("42", "Protocol", "`tumorlens evaluate --evidence` is the protocol"),
    Item("43", "Availability of software, model and data", "All in this repository but the images"),
    Item("44", "Funding", "Not stated"),
)

TRIPOD_AI = (
    Item("1", "Title", f"{_CARD}, title"),
    Item("2", "Abstract", f"{_CARD}"),
    Item("3a", "Context and rationale", f"{_CARD}, intended use"),
    Item("3b", "Target population and users", f"{_CARD}, intended use"),
    Item(
        "3c", "Known inequalities between groups", f"{_CARD}, limits: nothing is recorded of them"
    ),
    Item("4", "Objectives", f"{_CARD}, intended use"),
    Item("5a", "Sources of data", f"{_SHEET}, composition"),
    Item("5b", "Dates", _NONE),
    Item("6a", "Setting and centres", f"{_SHEET}, collection, as far as known"),
    Item("6b", "Eligibility", f"{_SHEET}, collection"),
    Item("6c", "Treatments", _NONE),
    Item("7", "Data preparation", f"{_SHEET}, preprocessing"),
    Item("8a", "Outcome", "Tumor or none; glioma, meningioma or pituitary tumor"),
    Item("8b", "Assessors of the outcome", _NONE),
    Item("8c", "Blinding of assessors", _NONE),
    Item("9a", "Choice of predictors", "The pixels of a slice; nothing else"),
    Item("9b", "Definition of predictors", f"{_SHEET}, preprocessing"),
    Item("9c", "Assessors of predictors", "Not applicable to pixels"),
    Item("10", "Sample size", "All images of the sets; none was planned"),
    Item("11", "Missing data", "Tumors of unknown kind count as tumors only"),
    Item("12a", "Use of data in the analysis", f"{_SHEET}, composition"),
    Item("12b", "Handling of predictors", f"{_SHEET}, preprocessing"),
    Item("12c", "Type of model and its building", f"{_RECIPE}"),
    Item("12d", "Heterogeneity between clusters", f"{_RESULTS}, by source and sources left out"),
    Item("12e", "Measures of performance", f"{_RESULTS}"),
    Item("12f", "Updating after evaluation", "None"),
    Item(
        "12g",
        "How predictions were made for evaluation",
        "The model file, by the code that answers",
    ),
    Item("13", "Class imbalance", f"{_RECIPE}; probabilities are calibrated afterwards"),
    Item("14", "Fairness", f"{_CARD}, limits: it cannot be measured"),
    Item("15", "Output and thresholds", f"{_CARD}, decision"),
    Item("16", "Differences between training and evaluation", f"{_RESULTS}, sources left out"),
    Item("17", "Ethical approval", "None was needed: public, anonymous images"),
    Item("18a", "Funding", "Not stated"),
    Item("18b", "Conflicts of interest", "Not stated"),
    Item("18c", "Protocol", "`tumorlens evaluate --evidence` is the protocol"),
    Item("18d", "Registration", "None"),
    Item("18e", "Data", f"{_SHEET}, distribution"),
    Item("18f", "Code", "This repository"),
    Item("19", "Involvement of patients and the public", "None"),
    Item("20a", "Flow of participants", f"{_SHEET}, composition; {_RESULTS}, as answered"),
    Item("20b", "Characteristics of participants", _NONE),
    Item("20c", "Comparison with development data", f"{_RESULTS}, sources left out"),
    Item("21", "Numbers in each analysis", f"{_RESULTS}, images of each figure"),
    Item("22", "The whole model", "The model file, weights and decision inside"),
    Item("23a", "Performance with intervals", f"{_RESULTS}"),
    Item("23b", "Heterogeneity of performance", f"{_RESULTS}, by source and size"),
    Item("24", "Results of updating", "None"),
    Item("25", "Interpretation", f"{_RESULTS}; [how to read it](../../how-to/evaluate.md)"),
    Item("26", "Limits", f"{_CARD}, limits"),
    Item("27a", "Poor or missing input", "[How an answer comes about](../../concepts/answers.md)"),
    Item("27b", "Interaction with users", "[How an answer comes about](../../concepts/answers.md)"),
    Item("27c", "Next steps", f"{_CARD}, limits: what has not been measured"),
)
