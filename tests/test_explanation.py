"""If these fail, a reader is told a wrong reason for an answer."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest

from tumorlens.decide.finding import Status
from tumorlens.errors import ModelIncompatible, UnsupportedScan
from tumorlens.explanation import agreement, explain_scan, nearest, occlusion
from tumorlens.model.decision import Neighbours
from tumorlens.model.format import InputSpec
from tumorlens.model.load import load_file
from tumorlens.scan import FileFormat, Scan, draw_phantom

PHANTOM = draw_phantom(4, tumor="meningioma", size=128)


def scan(pixels):
    return Scan(pixels=pixels, source="drawn", sha256="a" * 64, format=FileFormat.ARRAY)


@pytest.fixture(scope="module")
def model(tiny_model_path):
    return load_file(tiny_model_path, threads=1)


@pytest.fixture(scope="module")
def explained(model):
    return explain_scan(scan(PHANTOM.pixels), model)


def test_the_answer_hangs_on_the_lesion(explained):
    drops = explained.occlusion.on_slice()
    inside = drops[PHANTOM.mask].mean()
    assert inside > 5 * abs(drops[~PHANTOM.mask].mean())
    assert explained.explanation.occlusion_agreement > 0.3
    assert explained.occlusion_finding().heatmap.max() <= 1


def test_a_lesion_stays_one_when_the_slice_is_changed(explained):
    found = explained.explanation
    assert found.finding.status is Status.TUMOR
    same = [one.status is Status.TUMOR and one.label == found.finding.label
            for one in found.variations]  # fmt: skip
    assert found.stability == sum(same) / len(same)
    mirrored = found.variations[0]
    assert mirrored.status is Status.TUMOR
    assert mirrored.map_agreement > 0.8  # laid back, it lies on the same lesion
    assert found.neighbours == ()


def test_a_slice_without_a_lesion_hangs_on_nothing(model):
    drops = occlusion(scan(draw_phantom(4, size=128).pixels), model)
    assert np.abs(drops.values).max() < 0.5


def test_what_is_rejected_has_no_answer_to_explain(model):
    with pytest.raises(UnsupportedScan, match="almost black"):
        explain_scan(scan(np.zeros((90, 90), np.float32)), model)


def test_the_nearest_examples_are_named_with_their_distance():
    codes = np.array([[0, 0], [10, 0], [0, 30]], np.int8)
    table = Neighbours(
        dimensions=2, step=0.5, codes=base64.b64encode(codes.tobytes()).decode(),
        labels=("glioma", "no_tumor"), sources=("a", "b"), label_of=(0, 1, 1),
        source_of=(0, 1, 0), usual=1.0, far=2.0,
    )  # fmt: skip
    metadata = SimpleNamespace(
        decision=SimpleNamespace(neighbours=table), input=InputSpec(height=64, width=64)
    )
    given = SimpleNamespace(embedding=np.array([[5.0, 0.0]], np.float32))
    known = SimpleNamespace(metadata=metadata, label="tiny 1", run=lambda _: given)
    found = nearest(scan(PHANTOM.pixels), known)
    assert [(one.label, one.source, one.distance) for one in found[:2]] == [
        ("no_tumor", "b", 0.0), ("glioma", "a", 5.0),
    ]  # fmt: skip


def test_a_model_without_examples_says_how_to_get_some(model):
    with pytest.raises(ModelIncompatible, match="tumorlens calibrate"):
        nearest(scan(PHANTOM.pixels), model)


def test_even_maps_agree_with_nothing():
    even, other = np.ones((4, 4), np.float32), np.eye(4, dtype=np.float32)
    assert agreement(even, other) is None
    assert agreement(other, 3 * other + 1) == pytest.approx(1)
