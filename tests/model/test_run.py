"""If these fail, a model could give a wrong answer without saying so, or answer differently when
several threads share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tumorlens.errors import ModelError, ModelIncompatible
from tumorlens.model.load import load_file
from tumorlens.model.run import check_signature


def batch(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.random((count, channels, 64, 64), dtype=np.float32)


def test_outputs_have_the_promised_shapes(tiny_model, tmp_path):
    model = load_file(tiny_model(mask=True).save(tmp_path / "m.onnx"))
    outputs = model.run(batch(3))
    assert outputs.probabilities.shape == (3, 4)
    assert outputs.heatmap.shape == (3, 4, 16, 16)
    assert outputs.novelty.shape == (3,)
    assert outputs.mask.shape == (3, 1, 16, 16)
    assert outputs.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_slice_gets_the_same_answer_in_any_batch(tiny_model_path):
    model = load_file(tiny_model_path)
    together = model.run(batch(5)).probabilities
    alone = [model.run(batch(5)[i : i + 1]).probabilities[0] for i in range(5)]
    assert np.allclose(together, alone, atol=1e-6)


def test_many_threads_share_one_model(tiny_model_path):
    model = load_file(tiny_model_path, threads=2)
    batches = [batch(1, seed=seed) for seed in range(40)]
    expected = [model.run(one).heatmap for one in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            got = pool.map(lambda one: model.run(one).heatmap, batches)
            assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [batch(1, channels=3), batch(1)[:, :, :32], batch(1).astype(np.float64), batch(1)[0]],
    ids=["channels", "size", "type", "no batch"],
)
def test_a_wrong_batch_is_a_programming_error(tiny_model_path, wrong):
    with pytest.raises(ValueError, match="batch must be float32"):
        load_file(tiny_model_path).run(wrong)


@pytest.mark.parametrize(
    ("fault", "output", "words"),
    [
        ("Neg", "probabilities", "not in"),
        ("Sqrt", "probabilities", "sum to"),
        ("Log", "heatmap", "not numbers"),
        ("Reciprocal", "heatmap", "not numbers"),
        ("Neg", "mask", "mask runs from"),
    ],
)
def test_outputs_that_cannot_be_true_are_never_answered_from(
    tiny_model, tmp_path, fault, output, words
):
    path = tiny_model(fault=fault, faulty_output=output, mask=True).save(tmp_path / "m.onnx")
    with pytest.raises(ModelIncompatible, match=words):
        load_file(path).run(np.full((1, 1, 64, 64), 0.7001, np.float32))


@dataclass
class StubValue:
    """An input or output of a graph."""

    name: str
    shape: list[object]
    type: str = "tensor(float)"


@dataclass
class StubSession:
    """A graph that gives what it is told to."""

    values: dict[str, np.ndarray] | Exception

    def get_outputs(self):
        return [StubValue(name, []) for name in ("probabilities", "heatmap", "novelty")]

    def run(self, names, feeds):
        if isinstance(self.values, Exception):
            raise self.values
        return [self.values[name] for name in names]


def sound_values() -> dict[str, np.ndarray]:
    return {
        "probabilities": np.full((1, 4), 0.25, np.float32),
        "heatmap": np.zeros((1, 4, 2, 2), np.float32),
        "novelty": np.zeros(1, np.float32),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("probabilities", np.full((2, 4), 0.25, np.float32)),
        ("heatmap", np.zeros((1, 3, 2, 2), np.float32)),
        ("heatmap", np.zeros((1, 4, 2), np.float32)),
        ("novelty", np.zeros((1, 1), np.float32)),
    ],
)
def test_outputs_of_another_shape_than_the_graph_promised_are_refused(tiny_model_path, name, value):
    model = load_file(tiny_model_path)
    odd = replace(model, session=StubSession(sound_values() | {name: value}))
    with pytest.raises(ModelIncompatible, match=f"{name} has shape"):
        odd.run(batch(1))
    replace(model, session=StubSession(sound_values())).run(batch(1))


def test_a_graph_that_fails_while_it_runs_is_a_model_error(tiny_model_path):
    failing = replace(load_file(tiny_model_path), session=StubSession(RuntimeError("odd\nmore")))
    with pytest.raises(ModelError, match=r"tiny 1\.2 could not be run: odd$"):
        failing.run(batch(1))


def test_a_graph_in_another_type_is_refused(tiny_model):
    class Session(StubSession):
        def get_inputs(self):
            return [StubValue("image", ["n", 1, 64, 64], "tensor(float16)")]

    with pytest.raises(ModelIncompatible, match="float16"):
        check_signature(Session({}), tiny_model().metadata)
