"""If these fail, a figure stands beside a control that is wrong, and a leak looks like skill."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tumorlens.evaluate.controls import (
    PROPERTIES,
    ControlKind,
    answer,
    answer_folds,
    gather,
    score,
)


@dataclass(frozen=True)
class Drawn:
    """A picture of noise, all else the same for every picture."""

    pixels64: np.ndarray
    file_size: int = 1000
    width: int = 64
    height: int = 64
    mode: str = "L"
    format: str = "jpeg"
    mean_intensity: float = 0.5
    flags: tuple[str, ...] = ()


def noise(count, seed=0):
    pixels = np.random.default_rng(seed).integers(60, 200, (count, 64, 64))
    return [Drawn(each.astype(np.uint8)) for each in pixels]


def accuracy_of(kind, images, truth, train, test):
    truth = np.asarray(truth)
    classes = int(truth.max()) + 1
    given = answer(
        kind, gather(images), truth, classes, train=np.asarray(train), test=np.asarray(test)
    )
    assert given.sum(axis=1) == pytest.approx(np.ones(len(test)))
    return float((given.argmax(axis=1) == truth[test]).mean())


TRAIN, TEST = np.arange(120), np.arange(120, 180)
RANDOM_LABELS = np.random.default_rng(5).integers(0, 2, 180)


class TestCopyDetector:
    def test_it_finds_a_noisy_copy_among_unrelated_pictures(self):
        originals = noise(120)
        shaken = [replace(d, pixels64=d.pixels64 + np.uint8(3)) for d in originals[:60]]
        labels = np.concatenate([RANDOM_LABELS[:120], RANDOM_LABELS[:60]])
        images = originals + shaken
        assert accuracy_of(ControlKind.COPY_DETECTOR, images, labels, TRAIN, TEST) == 1.0

    def test_it_is_at_chance_where_nothing_is_copied(self):
        found = accuracy_of(ControlKind.COPY_DETECTOR, noise(180), RANDOM_LABELS, TRAIN, TEST)
        assert 0.3 < found < 0.7

    def test_the_nearest_of_three_classes_wins_though_the_other_two_agree(self):
        base = np.full((64, 64), 100, np.uint8)
        images = [Drawn(base + np.uint8(shift)) for shift in (0, 9, 9, 4)]
        given = answer(
            ControlKind.COPY_DETECTOR, gather(images), np.array([0, 1, 2, 0]), 3,
            train=np.arange(3), test=np.array([3]),
        )  # fmt: skip
        assert given.argmax() == 0

    def test_a_class_that_was_not_learnt_is_never_answered(self):
        given = answer(
            ControlKind.COPY_DETECTOR, gather(noise(6)), np.array([0, 0, 2, 2, 1, 1]), 3,
            train=np.arange(4), test=np.arange(4, 6),
        )  # fmt: skip
        assert (given[:, 1] == 0).all()


class TestFrame:
    @staticmethod
    def framed(inside_too):
        images = []
        for drawn, label in zip(noise(180, seed=2), RANDOM_LABELS, strict=True):
            pixels = drawn.pixels64.copy()
            where = (slice(20, 40), slice(20, 40)) if inside_too else (slice(0, 4), slice(None))
            pixels[where] = 40 * label
            images.append(Drawn(pixels))
        return images

    def test_it_sees_what_the_border_gives_away(self):
        images = self.framed(inside_too=False)
        assert accuracy_of(ControlKind.FRAME, images, RANDOM_LABELS, TRAIN, TEST) == 1.0

    def test_it_does_not_see_what_lies_inside(self):
        found = accuracy_of(
            ControlKind.FRAME, self.framed(inside_too=True), RANDOM_LABELS, TRAIN, TEST
        )
        assert found < 0.7


GIVEN_AWAY = {
    ControlKind.FILE_SIZE: ({"file_size": 1000}, {"file_size": 2000}),
    ControlKind.DIMENSIONS: ({"height": 64}, {"height": 80}),
    ControlKind.MODE: ({"mode": "L"}, {"mode": "RGB"}),
    ControlKind.FORMAT: ({"format": "jpeg"}, {"format": "png"}),
    ControlKind.MEAN_INTENSITY: ({"mean_intensity": 0.2}, {"mean_intensity": 0.4}),
    ControlKind.TEXT: ({"flags": ("blurred",)}, {"flags": ("blurred", "text")}),
}


@pytest.mark.parametrize("kind", PROPERTIES)
def test_each_property_is_seen_by_its_control_and_by_all_together_only(kind):
    images = [
        replace(drawn, **GIVEN_AWAY[kind][label])
        for drawn, label in zip(noise(180), RANDOM_LABELS, strict=True)
    ]
    for seen in (kind, ControlKind.METADATA):
        assert accuracy_of(seen, images, RANDOM_LABELS, TRAIN, TEST) == 1.0
    evidence = gather(images)
    assert [each for each in PROPERTIES if evidence.tells_apart(each)] == [kind]
    other = next(each for each in PROPERTIES if each is not kind)
    assert accuracy_of(other, images, RANDOM_LABELS, TRAIN, TEST) < 0.7


def test_with_labels_shuffled_even_perfect_copies_are_at_chance():
    """Otherwise the answers of the test side leak into the figures of every control."""
    originals = noise(120)
    labels = np.concatenate([RANDOM_LABELS[:120], RANDOM_LABELS[:60]])
    found = accuracy_of(
        ControlKind.SHUFFLED_LABELS, originals + originals[:60], labels, TRAIN, TEST
    )
    assert 0.3 < found < 0.7


def test_the_largest_class_is_that_of_the_train_side():
    labels = np.array([0, 0, 1, 1, 1, 1])
    found = accuracy_of(ControlKind.LARGEST_CLASS, noise(6), labels, [0, 1, 2], [3, 4, 5])
    assert found == 0.0


def test_every_image_of_a_fold_is_answered_without_its_fold():
    """A copy within the fold must not help: here only such copies know the label."""
    pictures = noise(40)
    images, labels = pictures * 2, np.tile(RANDOM_LABELS[:40], 2)
    evidence = gather(images)
    together = np.tile(np.arange(40) % 5, 2)
    apart = np.repeat([0, 1], 40)
    kind = ControlKind.COPY_DETECTOR

    def right(folds, tested):
        given = answer_folds(kind, evidence, labels, 2, folds=folds, tested=tested)
        return given.argmax(axis=1) == labels[tested]

    assert right(apart, np.arange(80)).all()
    assert right(together, np.arange(80)).mean() < 0.8
    some = np.array([3, 44, 70])
    assert right(apart, some).all()


class TestScore:
    PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    TRUTH = np.array([0, 0, 0, 1])

    def test_figures_with_intervals(self):
        found = score(ControlKind.FRAME, self.PROBABILITIES, self.TRUTH, list("abcd"), "some")
        assert found.accuracy.value == pytest.approx(2 / 4)
        assert found.balanced_accuracy.value == pytest.approx((1 / 3 + 1) / 2)
        assert found.auroc == pytest.approx(2 / 3)
        assert found.accuracy.low < found.accuracy.value < found.accuracy.high
        assert (found.accuracy.count, found.accuracy.on) == (4, "some")

    def test_no_auroc_of_one_side_or_of_three_classes(self):
        one_side = score(ControlKind.FRAME, self.PROBABILITIES, self.TRUTH * 0, list("abcd"), "x")
        assert one_side.auroc is None
        three = np.hstack([self.PROBABILITIES, np.zeros((4, 1))])
        assert score(ControlKind.FRAME, three, self.TRUTH, list("abcd"), "x").auroc is None

    def test_copies_of_one_image_do_not_narrow_the_interval(self):
        many = np.repeat(np.arange(4), 50)
        one_group_each = [str(number) for number in many]
        wide = score(
            ControlKind.FRAME, self.PROBABILITIES[many], self.TRUTH[many], one_group_each, "x"
        ).accuracy
        alone = [str(number) for number in range(200)]
        narrow = score(
            ControlKind.FRAME, self.PROBABILITIES[many], self.TRUTH[many], alone, "x"
        ).accuracy
        assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
