"""If these fail, a set whose labels can be told without reading a picture passes as a good one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tumorlens.data.audit import shortcuts
from tumorlens.data.audit.facts import ImageFacts, outer_frame
from tumorlens.data.audit.shortcuts import measure_shortcuts, text_shares
from tumorlens.evaluate import controls as kinds


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    """Drawn pictures need no large forest."""
    monkeypatch.setattr(kinds, "TREES", 10)


def image(number, label, *, seed=None, name="drawn", group=None, split="", **changes):
    """A picture of noise; images of one seed are near-copies."""
    chance = np.random.default_rng(1000 + (number if seed is None else seed))
    pixels = chance.integers(60, 200, (64, 64))
    pixels = (pixels + np.random.default_rng(number).integers(-5, 6, (64, 64))).astype(np.uint8)
    facts = ImageFacts(
        name=f"{name}/{number}.jpg", set=name, path=Path(f"{number}.jpg"), label=label,
        split=split, patient=None, sha256=str(number), pixel_sha256=str(number), format="jpeg",
        suffix=".jpg", mode="L", width=64, height=64, file_size=1000, mean_intensity=0.5,
        flags=(), pixels64=pixels, frame=outer_frame(pixels),
        group=number if group is None else group,
    )  # fmt: skip
    return replace(facts, **changes)


def labels(count, seed=0):
    return [("glioma", "no_tumor")[n] for n in np.random.default_rng(seed).integers(0, 2, count)]


def found(images):
    return {(control.name, control.on): control for control in measure_shortcuts(images)}


def test_with_an_official_split_each_learns_from_train_and_answers_test():
    """The copies here stand in train and test; validation is neither learnt from nor answered."""
    pictures = [image(n, label, split="train") for n, label in enumerate(labels(60))]
    pictures += [image(100 + n, p.label, seed=n, split="test") for n, p in enumerate(pictures[:30])]
    pictures += [image(200 + n, "glioma", split="validation") for n in range(9)]
    controls = found(pictures)
    copying = controls["copy-detector", "drawn, its own test split"]
    assert (copying.accuracy, copying.balanced_accuracy, copying.images) == (1.0, 1.0, 30)
    assert (copying.accuracy_low, copying.accuracy_high, copying.auroc) == (1.0, 1.0, 1.0)
    assert controls["shuffled labels", "drawn, its own test split"].accuracy < 0.8
    in_train = [p.label for p in pictures[:60]]
    largest = max(set(in_train), key=in_train.count)
    assert copying.chance == pytest.approx(sum(p.label == largest for p in pictures[60:90]) / 30)


def test_without_a_test_side_the_validation_side_is_answered():
    pictures = [
        image(n, label, split="train" if n < 40 else "validation")
        for n, label in enumerate(labels(60))
    ]
    assert {c.on for c in measure_shortcuts(pictures)} == {"drawn, its own validation split"}


def test_without_any_split_what_copies_are_worth_is_shown_as_a_difference():
    pictures = [
        image(3 * n + copy, label, seed=n, group=n)
        for n, label in enumerate(labels(60))
        for copy in range(3)
    ]
    controls = found(pictures)
    together = controls["copy-detector", "drawn, cross-validated, copies kept together"]
    apart = controls["copy-detector", "drawn, cross-validated, copies not kept together"]
    assert together.accuracy < 0.7
    assert apart.accuracy > 0.9  # all three copies of a few pictures are dealt to one fold
    assert together.images == apart.images == 180


def test_the_folds_of_the_author_are_used_as_they_are():
    """Each copy stands in the other fold; any other deal would part or join some of them."""
    pictures = [
        image(2 * n + fold, label, seed=n, split=f"fold {fold + 1}")
        for n, label in enumerate(labels(30))
        for fold in range(2)
    ]
    assert found(pictures)["copy-detector", "drawn, its author's folds"].accuracy == 1.0


def test_a_property_that_gives_the_label_away_is_named_and_others_are_not():
    pictures = [
        image(n, label, file_size=900 if label == "glioma" else 1800)
        for n, label in enumerate(labels(60))
    ]
    on = "drawn, cross-validated, copies kept together"
    controls = found(pictures)
    assert controls["file size", on].accuracy == 1.0
    assert controls["file metadata", on].accuracy == 1.0
    assert {name for name, _ in controls} == {
        "file size", "file metadata", "copy-detector", "frame only", "shuffled labels"
    }  # fmt: skip


def test_burned_in_text_is_a_control_and_a_share_of_each_class():
    pictures = [
        image(n, label, flags=("text",) if label == "glioma" and n % 3 else ())
        for n, label in enumerate(labels(60))
    ]
    controls = found(pictures)
    on = "drawn, cross-validated, copies kept together"
    assert controls["burned-in text", on].balanced_accuracy > 0.7
    assert controls["burned-in text", on].detail.endswith("% of glioma, 0.0% of no_tumor")
    shares = text_shares(pictures)
    assert shares["no_tumor"] == 0
    assert 0.4 < shares["glioma"] < 0.9


def test_each_set_is_measured_by_itself():
    pictures = [image(n, label, name="one") for n, label in enumerate(labels(20))]
    pictures += [image(n, label, name="other") for n, label in enumerate(labels(30, seed=1))]
    seen = []
    controls = measure_shortcuts(pictures, lambda *progress: seen.append(progress))
    assert {(c.on.split(",")[0], c.images) for c in controls} == {("one", 20), ("other", 30)}
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    "pictures",
    [
        [],
        [image(1, "glioma")],
        [image(n, "glioma") for n in range(9)],
        [image(1, "glioma"), image(2, "no_tumor")],
        [image(n, "glioma") for n in range(9)] + [image(9, "no_tumor")],
        [image(1, "glioma", split="train"), image(2, "glioma", split="test")],
    ],
    ids=["nothing", "one image", "one class", "one each", "one of a class", "one class, split"],
)
def test_where_nothing_can_be_measured_nothing_is_said(pictures):
    assert measure_shortcuts(pictures) == ()


def test_images_that_were_not_compared_stand_alone():
    pictures = [image(n, label, group=-1) for n, label in enumerate(labels(30))]
    assert measure_shortcuts(pictures)


def test_a_class_that_stands_in_the_test_side_only_counts_as_wrong():
    pictures = [image(n, label, split="train") for n, label in enumerate(labels(20))]
    pictures += [image(20 + n, "pituitary", split="test") for n in range(5)]
    assert all(control.accuracy == 0 for control in measure_shortcuts(pictures))


def test_of_a_large_set_as_many_as_are_needed_are_answered(monkeypatch):
    monkeypatch.setattr(shortcuts, "MOST_TESTED", 25)
    pictures = [image(n, label) for n, label in enumerate(labels(60))]
    assert {control.images for control in measure_shortcuts(pictures)} == {25}
