"""If these fail, wrong labels are missed, or so many right ones are accused that none is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tumorlens.data.audit.facts import ImageFacts, outer_frame
from tumorlens.data.audit.suspects import find_suspects

SPOTS = {"glioma": 16, "meningioma": 40}


def image(number, label, *, name="drawn", shown=None, **changes):
    """Noise with a bright spot whose place is that of the class that is shown."""
    pixels = np.random.default_rng(number).integers(40, 120, (64, 64)).astype(np.uint8)
    start = SPOTS.get(shown or label)
    if start:
        pixels[start : start + 10, 20:40] += 100
    facts = ImageFacts(
        name=f"{name}/{number}.jpg", set=name, path=Path(f"{number}.jpg"), label=label, split="",
        patient=None, sha256=str(number), pixel_sha256=f"{name}{number}", format="jpeg",
        suffix=".jpg", mode="L", width=64, height=64, file_size=1000, mean_intensity=0.5,
        flags=(), pixels64=pixels, frame=outer_frame(pixels), group=number,
    )  # fmt: skip
    return replace(facts, **changes)


def three_classes(count):
    names = ["glioma", "meningioma", "no_tumor"]
    return [image(n, names[n % 3]) for n in range(count)]


class TestLearning:
    def test_planted_wrong_labels_are_found_with_the_right_suggestion_and_few_others(self):
        images = three_classes(240)
        planted = {}
        for number in range(5, 240, 20):
            one = images[number]
            wrong = "no_tumor" if one.label != "no_tumor" else "glioma"
            planted[one.name] = one.label
            images[number] = replace(one, label=wrong)
        suspects = find_suspects(images)
        right = [s for s in suspects if planted.get(s.image) == s.suggested]
        assert len(right) >= 0.8 * len(planted)
        assert len(suspects) - len(right) <= 2

    def test_right_labels_are_left_alone(self):
        assert find_suspects(three_classes(120)) == ()

    def test_copies_with_the_same_wrong_label_do_not_vouch_for_each_other(self):
        images = three_classes(240)
        wrong = [
            image(1000 + n, "glioma", shown="meningioma", group=7000, pixel_sha256=f"w{n}")
            for n in range(4)
        ]
        assert {s.image for s in find_suspects(images + wrong)} >= {w.name for w in wrong}

    def test_where_labels_cannot_be_learnt_nobody_is_accused(self):
        random = np.random.default_rng(3).permutation([i.label for i in three_classes(120)])
        images = [
            replace(one, label=str(label))
            for one, label in zip(three_classes(120), random, strict=True)
        ]
        assert find_suspects(images) == ()

    def test_each_set_is_judged_by_itself(self):
        """The other set calls the same pictures by other names, which is no fault of either."""
        other = [image(n, ("a", "b")[n % 2], name="other", shown="glioma") for n in range(30)]
        assert find_suspects(three_classes(120) + other) == ()


class TestCopies:
    @staticmethod
    def copies(*labels):
        return [
            image(n, label, name=f"set{n}", pixel_sha256="one") for n, label in enumerate(labels)
        ]

    def test_of_two_copies_with_two_labels_one_is_wrong_so_both_are_suspects(self):
        first, second = find_suspects(self.copies("glioma", "no_tumor"))
        assert (first.image, first.suggested, first.confidence) == ("set0/0.jpg", "no_tumor", 1.0)
        assert (second.image, second.suggested) == ("set1/1.jpg", "glioma")

    def test_the_odd_one_of_many_is_the_only_suspect(self):
        (suspect,) = find_suspects(self.copies("glioma", "glioma", "meningioma", "glioma"))
        assert (suspect.image, suspect.suggested) == ("set2/2.jpg", "glioma")

    def test_a_tumor_of_unknown_kind_contradicts_no_tumor_but_no_kind(self):
        assert find_suspects(self.copies("glioma", "tumor")) == ()
        assert len(find_suspects(self.copies("tumor", "no_tumor"))) == 2

    def test_pictures_that_were_found_to_be_the_same_count_as_copies(self):
        images = [image(1, "glioma"), image(2, "meningioma"), image(3, "glioma")]
        assert find_suspects(images) == ()
        assert {s.image for s in find_suspects(images, same=[4, 4, 5])} == {
            "drawn/1.jpg", "drawn/2.jpg"
        }  # fmt: skip

    def test_they_come_first_and_each_image_once(self):
        """The image with the planted label is named by its copy and by learning."""
        images = three_classes(180)
        images[9] = replace(images[9], label="no_tumor")
        images[30] = replace(images[30], label="no_tumor")
        copy = image(9, "glioma", name="other")
        names = [s.image for s in find_suspects([*images, copy], same=[*range(180), 9])]
        assert names == ["drawn/9.jpg", "other/9.jpg", "drawn/30.jpg"]


@pytest.mark.parametrize(
    "images",
    [
        [],
        [image(1, "glioma")],
        [image(n, "glioma") for n in range(60)],
        three_classes(9),
        [image(n, "glioma") for n in range(60)] + [image(99, "no_tumor")],
        [replace(one, group=1) for one in three_classes(60)],
    ],
    ids=["nothing", "one image", "one class", "small", "one of a class", "one group"],
)
def test_where_nothing_can_be_learnt_nobody_is_accused(images):
    assert find_suspects(images) == ()
