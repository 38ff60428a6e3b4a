"""If these fail, an odd slice breaks a training run, or a heatmap points to the wrong place."""

import pytest
import torch

from tumorlens.errors import RecipeError
from tumorlens.model.format import InputSpec
from tumorlens.scan import draw_phantom
from tumorlens.train.classical.features import PLACES, FeatureExtractor
from tumorlens.train.classical.measure import CELLS
from tumorlens.train.classical.picture import look
from tumorlens.train.classical.spec import ClassicalSpec, Family

SIDE = 64
SIZE = InputSpec(height=SIDE, width=SIDE)
EVERYTHING = ClassicalSpec(features=tuple(Family))


def heads(count=3):
    drawn = [draw_phantom(seed, tumor="glioma", size=SIDE).pixels for seed in range(count)]
    return torch.stack([torch.from_numpy(pixels) for pixels in drawn]).unsqueeze(1)


def spike():
    image = torch.zeros(1, 1, SIDE, SIDE)
    image[..., 20, 30] = 1
    return image


ODD = {
    "black": torch.zeros(1, 1, SIDE, SIDE),
    "white": torch.ones(1, 1, SIDE, SIDE),
    "one pixel": spike(),
    "noise": torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)),
    "ramp": torch.linspace(0, 1, SIDE).expand(1, 1, SIDE, SIDE),
}


@pytest.mark.parametrize("name", ODD)
def test_features_are_numbers_whatever_is_on_the_slice(name):
    found = FeatureExtractor(EVERYTHING, SIZE).with_places_left_out(ODD[name])
    assert torch.isfinite(found).all()


def test_every_feature_has_a_name_of_its_own():
    extractor = FeatureExtractor(EVERYTHING, SIZE)
    assert extractor(heads(2)).shape == (2, len(extractor.names))
    assert len(set(extractor.names)) == len(extractor.names)
    few = FeatureExtractor(ClassicalSpec(features=(Family.SHAPE,)), SIZE)
    assert all(name.startswith("shape_") for name in few.names)


def test_a_slice_has_the_same_features_alone_and_among_others():
    extractor = FeatureExtractor(EVERYTHING, SIZE)
    together = extractor(heads(3))
    for number, image in enumerate(heads(3)):
        assert torch.allclose(extractor(image[None])[0], together[number], atol=1e-5)


def test_left_and_right_are_not_told_apart():
    families = (Family.GLCM, Family.SHAPE, Family.INTENSITY, Family.LBP)
    extractor = FeatureExtractor(ClassicalSpec(features=families), SIZE)
    image = heads(2)
    assert torch.allclose(extractor(image), extractor(image.flip(3)), atol=2e-3)


def test_a_coloured_slice_is_measured_by_its_mean():
    extractor = FeatureExtractor(EVERYTHING, SIZE)
    image = heads(1)
    assert torch.allclose(extractor(image), extractor(image.repeat(1, 3, 1, 1)), atol=1e-4)


def test_the_first_row_is_the_whole_slice_and_an_empty_place_changes_nothing():
    extractor = FeatureExtractor(EVERYTHING, SIZE)
    image = heads(1)
    assert look(image, EVERYTHING).head[0, : SIDE // CELLS, : SIDE // CELLS].sum() == 0
    rows = extractor.with_places_left_out(image)[0]
    assert rows.shape[0] == 1 + PLACES
    assert torch.allclose(rows[0], extractor(image)[0], atol=1e-5)
    corner = torch.allclose(rows[1], rows[0], atol=1e-5)
    assert corner


def test_a_place_is_left_out_where_it_lies():
    """What is left out of the regions and what is left out of the sums is the same."""
    spec = ClassicalSpec(features=(Family.INTENSITY, Family.LBP))
    extractor = FeatureExtractor(spec, SIZE)
    image = heads(1)
    picture, rows = look(image, spec), extractor.with_places_left_out(image)[0]
    side, (row, column) = SIDE // CELLS, (3, 4)
    kept = torch.ones(1, SIDE, SIDE)
    kept[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = 0
    less = picture._replace(
        head=picture.head * kept, brain=picture.brain * kept, spot=picture.spot * kept
    )
    wanted = [
        measure.describe(measure.total(measure.sums(less).flatten(2), torch.ones(1, PLACES))[0])[0]
        for measure in extractor.measures
    ]
    assert torch.allclose(rows[1 + row * CELLS + column], torch.cat(wanted), atol=1e-4)
    assert not torch.allclose(rows[0], torch.cat(wanted), atol=1e-4)


def test_an_input_that_cannot_be_divided_is_refused():
    with pytest.raises(RecipeError, match="multiples of 8"):
        FeatureExtractor(ClassicalSpec(), InputSpec(height=100, width=128))
