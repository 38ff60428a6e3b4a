"""If these fail, a page shows what was not measured, or measuring twice gives two answers."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tumorlens.data import manifest
from tumorlens.data.manifest import Entry
from tumorlens.data.split import split
from tumorlens.decide.finding import OPEN_KIND, Finding, ModelInfo, Reason, ScanInfo, Status
from tumorlens.errors import DatasetError
from tumorlens.evaluate import controls, metrics
from tumorlens.evaluate.evidence import gather as gathering
from tumorlens.evaluate.evidence.cases import Case, answered
from tumorlens.evaluate.evidence.checklists import CLAIM, TRIPOD_AI
from tumorlens.evaluate.evidence.gather import gather
from tumorlens.evaluate.evidence.pages import pages
from tumorlens.evaluate.evidence.record import load_evidence, to_json
from tumorlens.evaluate.evidence.write import write, write_gallery
from tumorlens.model.format import DataSource
from tumorlens.model.load import load_file
from tumorlens.model.registry import BUNDLED
from tumorlens.scan import draw_phantom
from tumorlens.train.export.chance import randomised
from tumorlens.train.recipe import load_recipe

KINDS = (None, "glioma", "meningioma", "pituitary")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Heads with masks, two to a kind and fold, and pictures that are no brain MRI."""
    folder = tmp_path_factory.mktemp("evidence") / "sets"
    drawn = folder / "drawn"
    (drawn / "images").mkdir(parents=True)
    (drawn / "masks").mkdir()
    lines = ["image,mask,label,fold,patient"]
    for number in range(24):
        kind, fold = KINDS[number % 4], number // 4 % 3 + 1
        head = draw_phantom(number, tumor=kind, size=64)
        names = [f"{place}/{number:02}.png" for place in ("images", "masks")]
        for name, pixels in zip(names, (head.pixels, head.mask), strict=True):
            Image.fromarray((255 * pixels).astype(np.uint8)).save(drawn / name)
        mask = names[1] if kind else ""
        lines.append(f"{names[0]},{mask},{kind or 'no_tumor'},{fold},p{number}")
    (drawn / "index.csv").write_text("\n".join(lines) + "\n")
    strange = folder / "not_brain_mri" / "noise"
    strange.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(chance.integers(0, 256, (80, 80), np.uint8)).save(strange / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model(root, tiny_model, tmp_path_factory):
    recipe = load_recipe("mobilenetv2-4class", ["data.sources=['drawn']"])
    entries = split([root / "drawn"], by=recipe.data.split, seed=recipe.seed).entries
    learnt = [one for one in entries if one.fold != recipe.data.test_fold]
    tiny = tiny_model()
    source = DataSource(
        name="drawn", images=len(learnt), licence="none", citation="drawn",
        manifest_sha256=manifest.hash_by_source(learnt)["drawn"],
    )  # fmt: skip
    tiny.metadata = tiny.metadata.model_copy(
        update={"recipe": recipe.model_dump(mode="json"), "data": (source,)}
    )
    return load_file(tiny.save(tmp_path_factory.mktemp("model") / "tiny.onnx"), threads=1)


@pytest.fixture(scope="module")
def measured(model, root):
    """Twice the same, with few resamples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "RESAMPLES", 20)
        patch.setattr(gathering, "LEVEL_IMAGES", 6)
        patch.setattr(controls, "TREES", 3)
        return [gather(model, root, counting=lambda _: lambda _d, _t: None) for _ in range(2)]


def test_measuring_twice_gives_the_same(measured):
    first, second = (to_json(one.evidence) for one in measured)
    assert first == second


def test_what_is_answered_is_counted(measured):
    whole = measured[0].evidence.answered[0]
    assert sum(whole.statuses.values()) == whole.images == 8
    names = {figure.name for figure in whole.figures}
    assert {"share answered", "accuracy of what is answered", "tumors answered no tumor"} <= names


def test_a_tumor_of_an_open_kind_is_right_where_there_is_a_tumor(model):
    def case(label: str) -> Case:
        entry = Entry(name=label, sha256="", source="drawn", label=label, group=label, fold=1)
        found = Finding(
            status=Status.TUMOR,
            reasons=(Reason(code=OPEN_KIND, text=""),),
            tumor_probability=0.99,
            probabilities={"no_tumor": 0.01, "glioma": 0.6, "meningioma": 0.39, "pituitary": 0.0},
            model=ModelInfo(name="tiny", version="1", sha256="a"),
            scan=ScanInfo(source=label, sha256="b", format="png", width=1, height=1),
            elapsed_ms=1.0,
        )
        return Case(entry, found, None, None)

    cases = [case(label) for label in ("meningioma", "tumor", "no_tumor", "no_tumor")]
    figures = {one.name: one.value for one in answered(model.metadata, cases, "drawn").figures}
    assert figures["share answered"] == 1.0
    assert figures["share answered tumor, its kind open"] == 1.0
    assert figures["accuracy of what is answered"] == 0.5
    assert figures["tumor-free answered tumor"] == 1.0


def test_maps_of_the_model_lie_on_tumors_and_those_of_shuffled_weights_are_told(measured):
    who = {one.who: {m.name: m.value for m in one.figures} for one in measured[0].evidence.maps}
    assert who["the model"]["pointing game"] > 0.6
    assert who["the model"]["map energy over area share"] > 3
    assert "shuffled weights" in who


def test_other_pictures_are_told_by_kind(measured):
    gate = measured[0].evidence.gate
    assert sum(gate.kinds["noise"].values()) == 3
    assert set(gate.kinds["noise"]) <= set(Status)


def test_what_was_not_at_hand_is_said(measured):
    assert any("dicom_t1_7t" in note for note in measured[0].evidence.notes)


def test_every_figure_of_the_pages_is_in_the_evidence(measured):
    evidence = measured[0].evidence
    known = {f"{value:.3f}" for value in numbers(json.loads(to_json(evidence)))}
    for name, text in pages(evidence).items():
        shown = set(re.findall(r"\b\d\.\d{3}\b", text))
        assert shown <= known, name


def test_files_are_written_and_read_again(measured, model, tmp_path):
    written = write(measured[0], tmp_path)
    assert all(path.is_file() for path in written)
    assert not list(tmp_path.glob("*.html"))
    again = load_evidence(tmp_path / "evidence.json")
    assert pages(again) == pages(measured[0].evidence)
    assert write_gallery(measured[0], model, tmp_path / "gallery").is_file()


def test_what_is_no_evidence_is_named(tmp_path):
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"evidence\.json"):
        load_evidence(tmp_path / "evidence.json")


def test_no_item_of_a_guideline_is_left_out():
    assert [item.number for item in CLAIM] == [str(number) for number in range(1, 45)]
    numbers_ = {int(re.match(r"\d+", item.number)[0]) for item in TRIPOD_AI}
    assert numbers_ == set(range(1, 28))
    assert all(item.answer for item in (*CLAIM, *TRIPOD_AI))


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no model is bundled with this checkout")
def test_shuffled_weights_know_nothing_any_more():
    known = load_file(next(BUNDLED.glob("*.onnx")), threads=1)
    side = known.metadata.input.height
    heads = [draw_phantom(seed, tumor="glioma", size=side).pixels for seed in range(4)]
    pictures = np.stack(heads)[:, None]
    # Of one class: maps of opposite classes differ in sign alone, whatever the weights are.
    before, after = (model.run(pictures).heatmap[:, -1] for model in (known, randomised(known)))
    assert before.shape == after.shape
    # Maps of drawn heads are alike somehow even then: darkness around a head is darkness.
    alike = [
        abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(before, after, strict=True)
    ]
    assert np.mean(alike) < 0.5


def numbers(value):
    """All numbers of JSON, those of strings that a page copies too."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, int | float):
        yield value
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\b\d\.\d{3}\b", value))
