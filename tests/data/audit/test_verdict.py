"""If these fail, a person is told the wrong thing to do about a data set, or nothing."""

import pytest

from tumorlens.data.audit.report import (
    Control,
    CopyCount,
    Leak,
    Overlap,
    Problem,
    ProblemKind,
    Relation,
    SetSummary,
    Severity,
    Suspect,
)
from tumorlens.data.audit.verdict import verdict

NOTHING = {
    "sets": (),
    "problems": (),
    "counts": (),
    "leaks": (),
    "overlaps": (),
    "patients": (),
    "controls": (),
    "suspects": (),
    "distinct": 0,
    "groups": 0,
    "patients_from": {},
}


def said(**what):
    return [(s.severity, s.text) for s in verdict(**(NOTHING | what))]


def leak(same, near, images=100, against="train"):
    return Leak(name="set", split="test", against=against, images=images, same=same, near=near)


def control(name, accuracy, on="set, its own test split"):
    return Control(
        name=name, on=on, accuracy=accuracy, balanced_accuracy=accuracy, chance=0.3, images=100
    )


def a_set(**changes):
    fields = {
        "name": "set",
        "folder": "set",
        "files": 100,
        "readable": 100,
        "distinct": 100,
        "groups": 100,
        "classes": [
            {"label": "a", "split": "", "images": 50},
            {"label": "b", "split": "", "images": 50},
        ],
        "imbalance": 1.0,
        "formats": (),
        "modes": (),
        "sizes": (),
        "aspects": (),
        "flags": (),
        "samples": {},
    }
    return SetSummary(**(fields | changes))


def test_nothing_found_is_called_clean():
    (first, *_) = said(sets=[a_set()], leaks=[leak(0, 0)])
    assert first == (
        Severity.FINE,
        "Clean: nothing was found that speaks against these images.",
    )


@pytest.mark.parametrize(
    ("same", "near", "severity", "words"),
    [
        (0, 0, Severity.FINE, "None of the 1,000 test images of set has a copy in train."),
        (0, 3, Severity.NOTICE, "has a copy in train; with near-copies, 3 of 1,000 (0.3%)."),
        (5, 5, Severity.NOTICE, "Leave these out of the test."),
        (
            747,
            800,
            Severity.SERIOUS,
            "747 of 1,000 (74.7%) test images of set have a copy in train",
        ),
    ],
)
def test_a_leak_weighs_by_its_share(same, near, severity, words):
    ((found, text),) = [
        one for one in said(leaks=[leak(same, near, 1000)]) if not one[1].startswith("Clean")
    ]
    assert found is severity
    assert words in text


def test_folds_are_summed_up_in_one_sentence():
    texts = [
        text for _, text in said(leaks=[leak(1, 1, 50, "all others"), leak(1, 3, 50, "all others")])
    ]
    assert len(texts) == 1
    assert "2 of 100 (2.0%) images of set have a copy in another of its 2 folds" in texts[0]
    assert "with near-copies, 4 of 100" in texts[0]


def test_the_side_that_is_shared_most_is_told_of_two_sets():
    pair = [
        Overlap(of="small", among="large", images=10, same=9, near=9),
        Overlap(of="large", among="small", images=1000, same=9, near=9),
    ]
    ((severity, text),) = said(overlaps=pair)
    assert severity is Severity.SERIOUS
    assert text.startswith("9 of 10 (90.0%) images of small are also in large")


def test_controls_at_chance_are_not_mentioned():
    ones = [control("mode", 0.35), control("shuffled labels", 0.9), control("largest class", 0.3)]
    assert [text for _, text in said(controls=ones)] == [
        "Clean: nothing was found that speaks against these images."
    ]


def test_what_tells_the_label_is_told_once_for_all_of_it():
    ones = [control("mode", 0.45), control("frame only", 0.94), control("copy-detector", 0.97)]
    (copying, shortcuts) = said(controls=ones)
    assert copying[0] is shortcuts[0] is Severity.SERIOUS
    assert "scores 97.0% on set, its own test split (largest class 30.0%)" in copying[1]
    assert "frame only 94.0%, mode 45.0%" in shortcuts[1]


def test_serious_things_come_first():
    severities = [
        severity
        for severity, _ in said(
            sets=[a_set(imbalance=9.0, distinct=50)],
            leaks=[leak(50, 50)],
            suspects=[Suspect(image="set/a", label="a", suggested="b", confidence=0.9)],
            problems=[Problem(image="x", kind=ProblemKind.TWO_LABELS, detail="")],
        )
    ]
    assert severities == sorted(severities, key=["serious", "notice", "fine"].index)
    assert severities.count(Severity.SERIOUS) == 2


def test_near_copies_in_two_classes_are_no_conflict():
    counts = [
        CopyCount(relation=relation, pairs=5, turned=0, across_classes=many,
                  across_splits=0, across_sets=0)
        for relation, many in ((Relation.SAME, 0), (Relation.NEAR, 4))
    ]  # fmt: skip
    assert not any("cannot both be true" in text for _, text in said(counts=counts))


def test_imbalance_and_writing_are_told():
    classes = [
        {"label": "rare", "split": "", "images": 10},
        {"label": "common", "split": "", "images": 90},
    ]
    flags = [{"value": "text", "images": 20}]
    text = " ".join(t for _, t in said(sets=[a_set(classes=classes, imbalance=9.0, flags=flags)]))
    assert "9.0 times as many images of common (90) as of rare (10)" in text
    assert "20 of 100 (20.0%) images of set have writing on them" in text


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_problem_has_its_sentence(kind):
    problems = [Problem(image=f"set/{i}.jpg", kind=kind, detail="") for i in range(4)]
    ((_, text),) = said(problems=problems)
    assert text.startswith("Files ")
    assert text.endswith(": 4 (set/0.jpg, set/1.jpg, set/2.jpg, …)")
