"""If these fail, a class that cannot be ruled out is hidden from the reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tumorlens.decide.conformal import prediction_set

fractions = st.floats(0, 1)
names = st.sampled_from("abcd")


def test_classes_within_their_own_threshold_are_kept():
    probabilities = {"glioma": 0.6, "meningioma": 0.3, "no_tumor": 0.1}
    limits = {"glioma": 0.5, "meningioma": 0.6, "no_tumor": 0.95}
    assert prediction_set(probabilities, limits) == ("glioma", "no_tumor")


def test_a_class_that_was_not_calibrated_is_never_ruled_out():
    assert prediction_set({"a": 0.99, "b": 0.01}, {"a": 0.1}) == ("a", "b")


@given(
    st.dictionaries(names, fractions),
    st.dictionaries(names, fractions),
    st.dictionaries(names, fractions),
)
def test_wider_thresholds_keep_more(probabilities, limits, extra):
    wider = {name: max(limit, extra.get(name, 0)) for name, limit in limits.items()}
    assert set(prediction_set(probabilities, limits)) <= set(prediction_set(probabilities, wider))
