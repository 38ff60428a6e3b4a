"""The limits can be set, and cannot be set to nonsense."""

import dataclasses

import pytest

from tumorlens.scan import Limits


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Limits)])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_must_let_something_through(field, value):
    with pytest.raises(ValueError, match=field):
        Limits(**{field: value})


def test_limits_cannot_change_behind_a_readers_back():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().max_pixels = 1
