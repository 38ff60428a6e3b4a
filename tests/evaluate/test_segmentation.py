"""If these fail, masks are praised for what they missed, or blamed for what was not there."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tumorlens.data.index import index
from tumorlens.data.manifest import Entry
from tumorlens.decide.finding import Status
from tumorlens.errors import DatasetError
from tumorlens.evaluate.masks import Agreement, DrawnLesion, MaskCase, agreement, mask_cases
from tumorlens.evaluate.segmentation import figures, measure_masks, to_markdown
from tumorlens.model.load import load_file
from tumorlens.scan import draw_phantom

pytest.importorskip("monai")

SIDE = 128


def square(top: int, left: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((64, 64), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


class TestAgreement:
    def test_a_mask_agrees_with_itself(self):
        found = agreement(square(5, 5), square(5, 5), None)
        assert found == Agreement(dice=1.0, iou=1.0, hd95=0.0, pixels=100)

    def test_half_an_overlap(self):
        found = agreement(square(5, 10), square(5, 5), None)
        assert found.dice == pytest.approx(0.5)
        assert found.iou == pytest.approx(50 / 150)
        assert found.hd95 == pytest.approx(5)

    def test_distances_are_in_mm_along_each_axis(self):
        assert agreement(square(5, 10), square(5, 5), (3.0, 0.5)).hd95 == pytest.approx(2.5)
        assert agreement(square(10, 5), square(5, 5), (3.0, 0.5)).hd95 == pytest.approx(15)

    def test_nothing_marked_is_a_miss_and_has_no_distance(self):
        found = agreement(np.zeros((64, 64), bool), square(5, 5), None)
        assert found == Agreement(dice=0.0, iou=0.0, hd95=None, pixels=0)

    def test_where_nothing_was_drawn_overlap_is_not_defined(self):
        found = agreement(square(5, 5), np.zeros((64, 64), bool), None)
        assert found == Agreement(dice=None, iou=None, hd95=None, pixels=100)


def entry(name: str, label: str = "glioma", group: str | None = None) -> Entry:
    return Entry(
        name=name, sha256="0" * 64, source="mine", label=label, group=group or name, fold=1
    )


def case(name: str, dice: float | None, *, true=100, marked=100, group=None, **changes) -> MaskCase:
    hd95 = None if dice is None or not marked else 3.0
    network = Agreement(dice=dice, iou=dice, hd95=hd95, pixels=marked)
    fields = {
        "entry": entry(name, group=group),
        "status": Status.TUMOR,
        "spacing": (1.0, 1.0),
        "true_pixels": true,
        "network": network,
        "answered": network,
        "lesions": (DrawnLesion(15.0, found=bool(marked), found_as_answered=bool(marked)),),
        "false_lesions": 0,
    }
    return MaskCase(**(fields | changes))


class TestFigures:
    def value(self, cases, name) -> float:
        (found,) = [metric for metric in figures(cases, "mine") if metric.name == name]
        assert found.low <= found.value <= found.high
        return found.value

    def test_a_missed_tumor_counts_as_no_overlap(self):
        cases = [case("a", 0.8), case("b", 0.0, marked=0)]
        assert self.value(cases, "mask Dice") == pytest.approx(0.4)
        assert self.value(cases, "tumor images with nothing marked") == 0.5
        assert self.value(cases, "mask HD95 where marked (mm)") == 3.0
        assert self.value(cases, "lesions found") == 0.5

    def test_tumor_free_images_are_counted_apart(self):
        free = Agreement(None, None, None, 0)
        false = Agreement(None, None, None, 40)
        cases = [
            case("a", 0.8),
            case("b", None, true=0, network=free, answered=free, lesions=()),
            case("c", None, true=0, network=false, answered=free, lesions=(), false_lesions=2),
        ]
        assert self.value(cases, "mask Dice") == pytest.approx(0.8)
        assert self.value(cases, "tumor-free images marked") == 0.5
        assert self.value(cases, "tumor-free images marked as answered") == 0
        assert self.value(cases, "false lesions on a tumor-free image") == 1

    def test_an_answer_that_is_not_tumor_marks_nothing(self):
        nothing = Agreement(0.0, 0.0, None, 0)
        cases = [case("a", 0.8), case("b", 0.6, answered=nothing)]
        assert self.value(cases, "mask Dice") == pytest.approx(0.7)
        assert self.value(cases, "mask Dice as answered") == pytest.approx(0.4)

    def test_volumes_are_summed_over_a_group(self):
        cases = [
            case("a", 0.5, true=100, marked=150, group="p"),
            case("b", 0.5, true=100, marked=50, group="p"),
            case("c", 0.5, true=100, marked=120, group="q"),
        ]
        assert self.value(cases, "area error, median share") == pytest.approx(0.5)
        name = "volume error over a group's images, median share"
        assert self.value(cases, name) == pytest.approx(0.1)

    def test_lesions_are_told_apart_by_size_only_in_mm(self):
        small = (DrawnLesion(9.0, found=False, found_as_answered=False),)
        cases = [case("a", 0.8), case("b", 0.8, lesions=small)]
        assert self.value(cases, "lesions found, below 10 mm") == 0
        assert self.value(cases, "lesions found, 10 to 20 mm") == 1
        unknown = [case("a", 0.8, spacing=None), case("b", 0.8, spacing=None)]
        names = [metric.name for metric in figures(unknown, "mine")]
        assert "mask HD95 where marked (pixels)" in names
        assert not any("mm" in name for name in names)

    def test_intervals_resample_patients(self):
        alike = [case(f"{p}{i}", value, group=p) for p, value in (("p", 0.2), ("q", 0.8))
                 for i in range(50)]  # fmt: skip
        (dice,) = [metric for metric in figures(alike, "mine") if metric.name == "mask Dice"]
        assert (dice.low, dice.high) == pytest.approx((0.2, 0.8))


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return load_file(tiny_model(mask=True).save(tmp_path_factory.mktemp("models") / "m.onnx"))


@pytest.fixture(scope="module")
def drawn_set(tmp_path_factory):
    """Drawn slices with and without a tumor, one of them without its mask, as a table."""
    folder = tmp_path_factory.mktemp("sets") / "mine"
    folder.mkdir()
    lines = ["image,mask,label"]
    for seed in range(6):
        tumor = "meningioma" if seed % 2 else None
        phantom = draw_phantom(seed, tumor=tumor, size=SIDE)
        Image.fromarray((phantom.pixels * 255).astype(np.uint8)).save(folder / f"{seed}.png")
        has_mask = tumor and seed != 5
        if has_mask:
            Image.fromarray(phantom.mask.astype(np.uint8) * 255).save(folder / f"{seed}.mask.png")
        name = f"{seed}.mask.png" if has_mask else ""
        lines.append(f"{seed}.png,{name},{tumor or 'no_tumor'}")
    (folder / "index.csv").write_text("\n".join(lines))
    return folder


def entries_of(folder) -> list[Entry]:
    return [
        entry(sample.path.relative_to(folder.parent).as_posix(), sample.label)
        for sample in index(folder)
    ]


def test_the_masks_of_a_set_are_compared_and_kept(model, drawn_set, tmp_path):
    parts = {"all of mine": entries_of(drawn_set)}
    report = measure_masks(model, drawn_set.parent, parts, out=tmp_path, spacings={"mine": 1.5})
    values = {metric.name: metric for metric in report.metrics}
    assert values["mask Dice"].value > 0.5
    assert values["mask Dice"].count == 2
    assert values["lesions found"].value == 1
    assert values["tumor-free images marked"].count == 3
    assert "1 images on all of mine show a tumor that nobody drew" in " ".join(report.notes)
    kept = json.loads((tmp_path / "segmentation.json").read_text())
    assert kept["metrics"][0]["name"] == "mask Dice"
    assert (tmp_path / "segmentation.md").read_text() == to_markdown(report)
    with (tmp_path / "segmentation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert {row["dice"] for row in rows if row["label"] == "no_tumor"} == {""}


def test_without_the_spacing_distances_are_in_pixels_and_it_is_said(model, drawn_set, tmp_path):
    parts = {"all of mine": entries_of(drawn_set)}
    report = measure_masks(model, drawn_set.parent, parts, out=tmp_path)
    assert any("(pixels)" in metric.name for metric in report.metrics)
    assert "--pixel-mm" in " ".join(report.notes)


def test_a_mask_of_another_size_is_refused(model, drawn_set, tmp_path):
    wrong = tmp_path / "mine"
    wrong.mkdir()
    (wrong / "1.png").write_bytes((drawn_set / "1.png").read_bytes())
    Image.fromarray(np.ones((5, 6), np.uint8)).save(wrong / "m.png")
    (wrong / "index.csv").write_text("image,mask,label\n1.png,m.png,glioma\n")
    with pytest.raises(DatasetError, match=r"m\.png.*not that of mine/1\.png"):
        mask_cases(model, tmp_path, entries_of(wrong))


def test_crumbs_of_a_drawn_mask_are_no_lesions(model, drawn_set, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "1.png").write_bytes((drawn_set / "1.png").read_bytes())
    mask = np.asarray(Image.open(drawn_set / "1.mask.png")).copy()
    whole = np.count_nonzero(mask)
    mask[2, 2] = mask[2, 40] = 255
    Image.fromarray(mask).save(folder / "m.png")
    (folder / "index.csv").write_text("image,mask,label\n1.png,m.png,glioma\n")
    (found,) = mask_cases(model, tmp_path, entries_of(folder))
    assert found.true_pixels == whole + 2
    assert len(found.lesions) == 1


def test_a_model_without_mask_has_no_report(tiny_model_path, drawn_set, tmp_path):
    parts = {"all of mine": entries_of(drawn_set)}
    without = load_file(tiny_model_path)
    assert measure_masks(without, drawn_set.parent, parts, out=tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_images_without_any_drawn_mask_have_no_report(model, drawn_set, tmp_path):
    free = [one for one in entries_of(drawn_set) if one.label == "no_tumor"]
    assert measure_masks(model, drawn_set.parent, {"free": free}, out=tmp_path / "out") is None
