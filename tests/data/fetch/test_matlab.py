"""If these fail, Cheng's slices come out turned, unlabelled, or under another patient."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from tumorlens.data.fetch.cheng import to_8bit
from tumorlens.data.fetch.matlab import read_folds, read_slice
from tumorlens.errors import DatasetError, MissingExtra

IMAGE = np.arange(12, dtype=np.int16).reshape(3, 4) * 100
MASK = IMAGE > 700


class TestSlices:
    @pytest.mark.parametrize("referenced", [False, True])
    def test_every_field_as_matlab_has_it(self, make: Any, *, referenced: bool) -> None:
        data = make.matlab_slice(
            IMAGE, mask=MASK, label=3, patient="MR040241B", referenced=referenced
        )
        found = read_slice(data, "1.mat")
        assert np.array_equal(found.image, IMAGE)
        assert np.array_equal(found.mask, MASK)
        assert found.border.tolist() == [10.5, 20.0, 11.0, 21.25]
        assert (found.label, found.patient) == ("pituitary", "MR040241B")

    @pytest.mark.parametrize(("number", "label"), [(1, "meningioma"), (2, "glioma")])
    def test_labels(self, make: Any, number: int, label: str) -> None:
        assert read_slice(make.matlab_slice(IMAGE, label=number), "1.mat").label == label

    @pytest.mark.parametrize("field", ["PID", "image", "label", "tumorBorder", "tumorMask"])
    def test_a_missing_field_is_an_error_in_words(self, make: Any, field: str) -> None:
        with pytest.raises(DatasetError, match=r"7\.mat: not a slice"):
            read_slice(make.matlab_slice(IMAGE, without=field), "7.mat")

    def test_what_makes_no_sense(self, make: Any) -> None:
        for wrong in ({"label": 4}, {"mask": MASK.T}, {"patient": " "}):
            with pytest.raises(DatasetError, match="make no slice"):
                read_slice(make.matlab_slice(IMAGE, **wrong), "7.mat")

    def test_a_damaged_file(self, make: Any) -> None:
        data = make.matlab_slice(IMAGE)
        for damaged in (b"", b"MATLAB 5.0", data[:700]):
            with pytest.raises(DatasetError, match=r"7\.mat"):
                read_slice(damaged, "7.mat")

    def test_without_h5py(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "h5py", None)
        with pytest.raises(MissingExtra, match=r"tumorlens\[data\]"):
            read_slice(b"", "1.mat")


class TestFolds:
    def test_of_the_new_format(self, make: Any) -> None:
        assert read_folds(make.matlab_folds([3, 1, 5]), "cvind.mat") == [3, 1, 5]

    def test_of_the_old_format(self) -> None:
        savemat = pytest.importorskip("scipy.io").savemat
        buffer = io.BytesIO()
        savemat(buffer, {"cvind": np.array([[3.0], [1.0], [5.0]])})
        assert read_folds(buffer.getvalue(), "cvind.mat") == [3, 1, 5]

    def test_what_is_none(self, make: Any) -> None:
        for wrong in (b"nothing", make.matlab_slice(IMAGE), make.matlab_folds([0, 1])):
            with pytest.raises(DatasetError, match=r"cvind\.mat"):
                read_folds(wrong, "cvind.mat")


class TestWindow:
    def test_the_whole_range_of_a_slice_and_nothing_clipped(self) -> None:
        shown = to_8bit(np.array([[-300, 0], [700, 33_000]], dtype=np.int32))
        assert shown.tolist() == [[0, 2], [8, 255]]

    def test_a_slice_of_one_value(self) -> None:
        assert to_8bit(np.full((2, 2), 77, np.int16)).tolist() == [[0, 0], [0, 0]]
