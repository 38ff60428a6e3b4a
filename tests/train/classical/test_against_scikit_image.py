"""If these fail, a feature is not the one that its name promises: scikit-image's is the measure."""

import numpy as np
import pytest
import torch
from skimage import exposure, feature, filters, measure, morphology
from sklearn.cluster import KMeans

from tumorlens.scan import draw_phantom
from tumorlens.train.classical.glcm import ANGLES, PROPERTIES, CoOccurrence
from tumorlens.train.classical.histogram import histogram, kmeans, otsu, to_levels
from tumorlens.train.classical.hog import BLOCK, DIRECTIONS, Gradients
from tumorlens.train.classical.intensity import Intensity
from tumorlens.train.classical.lbp import PATTERNS, patterns
from tumorlens.train.classical.measure import CELLS
from tumorlens.train.classical.picture import denoised, look
from tumorlens.train.classical.shape import HU_DEGREES, Shape
from tumorlens.train.classical.spec import ClassicalSpec, Denoise

SIDE = 128


@pytest.fixture(scope="module")
def image():
    drawn = draw_phantom(3, tumor="meningioma", size=SIDE).pixels
    return torch.from_numpy(np.rint(drawn * 255).astype(np.float32) / 255)[None, None]


@pytest.fixture(scope="module")
def picture(image):
    return look(image, ClassicalSpec())


def described(family, picture):
    whole = torch.ones(1, CELLS * CELLS)
    totals = family.total(family.sums(picture).flatten(2), whole).flatten(0, 1)
    return dict(zip(family.names, family.describe(totals)[0].tolist(), strict=True))


def levels_of(plane):
    return np.rint(plane[0].numpy() * 255).astype(np.uint8)


def test_the_median_of_nine(image):
    import scipy.ndimage

    wanted = scipy.ndimage.median_filter(image[0, 0].numpy(), 3, mode="nearest")
    assert np.array_equal(denoised(image, Denoise.MEDIAN)[0, 0].numpy(), wanted)


def test_equalisation_within_the_head(image, picture):
    head = picture.head[0].numpy() > 0
    wanted = exposure.equalize_hist(levels_of(picture.grey), mask=head)
    assert np.allclose(picture.equal[0].numpy()[head], wanted[head], atol=2e-3)


def test_otsus_threshold(picture):
    levels = to_levels(picture.grey)
    found = otsu(histogram(levels, torch.ones_like(levels)))
    assert found.item() == filters.threshold_otsu(levels_of(picture.grey))


def test_kmeans_on_the_histogram_is_kmeans_on_the_pixels(picture):
    brain = picture.brain[0].numpy() > 0
    values = levels_of(picture.grey)[brain].astype(float)
    start = np.quantile(values, [0.125, 0.375, 0.625, 0.875], method="inverted_cdf")
    wanted = KMeans(4, init=start[:, None], n_init=1, algorithm="lloyd", tol=0).fit(values[:, None])
    found = kmeans(histogram(to_levels(picture.grey), picture.brain), 4)[0].numpy()
    assert np.allclose(found, np.sort(wanted.cluster_centers_[:, 0]), atol=0.6)


def test_the_spot_is_a_whole_connected_region_of_what_is_bright(picture):
    levels = to_levels(picture.grey)
    centres = kmeans(histogram(levels, picture.brain), 4)[0].numpy()
    bright = (levels[0].numpy() > centres[-2:].mean()) & (picture.brain[0].numpy() > 0)
    bright = morphology.opening(bright, np.ones((3, 3)))
    regions = measure.label(bright, connectivity=2)
    spot = picture.spot[0].numpy() > 0
    assert spot.any()
    (number,) = np.unique(regions[spot])
    assert np.array_equal(regions == number, spot)


def test_co_occurrence_properties(picture):
    spec = ClassicalSpec()
    # Without a region that cuts pairs, scikit-image counts the same ones.
    whole = picture._replace(head=torch.ones_like(picture.head))
    found = described(CoOccurrence(spec), whole)
    grey = np.minimum(np.floor(picture.equal[0].numpy() * spec.levels), spec.levels - 1)
    matrices = feature.graycomatrix(
        grey.astype(np.uint8), spec.distances, np.radians(ANGLES), spec.levels,
        symmetric=True, normed=True,
    )  # fmt: skip
    for name in PROPERTIES:
        wanted = feature.graycoprops(matrices, name)
        # scikit-image's entropy is in nats
        wanted = wanted / np.log(2) if name == "entropy" else wanted
        for row, distance in zip(wanted, spec.distances, strict=True):
            mean = found[f"glcm_head_{name}_d{distance}_mean"]
            assert mean == pytest.approx(row.mean(), rel=1e-4), name
            spread = found[f"glcm_head_{name}_d{distance}_range"]
            assert spread == pytest.approx(np.ptp(row), rel=1e-3, abs=1e-5), name


def test_region_properties(picture):
    found = described(Shape(SIDE, SIDE), picture)
    spot = measure.regionprops((picture.spot[0].numpy() > 0).astype(int))[0]
    head = measure.regionprops((picture.head[0].numpy() > 0).astype(int))[0]
    unit = np.sqrt(head.area)
    assert found["shape_head_area"] == pytest.approx(head.area / SIDE**2, rel=1e-4)
    assert found["shape_head_major_axis"] == pytest.approx(head.axis_major_length / SIDE, rel=1e-3)
    assert found["shape_spot_area"] == pytest.approx(spot.area / head.area, rel=1e-4)
    assert found["shape_spot_major_axis"] == pytest.approx(spot.axis_major_length / unit, rel=1e-3)
    assert found["shape_spot_minor_axis"] == pytest.approx(spot.axis_minor_length / unit, rel=1e-3)
    assert found["shape_spot_eccentricity"] == pytest.approx(spot.eccentricity, abs=1e-3)
    assert found["shape_spot_perimeter"] == pytest.approx(spot.perimeter / unit, rel=1e-3)
    away = np.subtract(spot.centroid, head.centroid) / unit
    assert found["shape_spot_below"] == pytest.approx(away[0], abs=1e-4)
    assert found["shape_spot_aside"] == pytest.approx(abs(away[1]), abs=1e-4)
    for number, (value, degree) in enumerate(zip(spot.moments_hu, HU_DEGREES, strict=True), 1):
        # Rows and columns stand the other way round there, which turns the seventh's sign.
        wanted = abs(value) ** (1 / degree)
        assert abs(found[f"shape_spot_hu{number}"]) == pytest.approx(wanted, abs=2e-3), number


def test_intensity_statistics(picture):
    from scipy import stats

    found = described(Intensity(), picture)
    for region in ("head", "brain", "spot"):
        inside = getattr(picture, region)[0].numpy() > 0
        values = picture.grey[0].numpy()[inside].astype(float)
        assert found[f"intensity_{region}_mean"] == pytest.approx(values.mean(), abs=1e-5)
        assert found[f"intensity_{region}_deviation"] == pytest.approx(values.std(), abs=1e-4)
        assert found[f"intensity_{region}_skewness"] == pytest.approx(stats.skew(values), abs=1e-2)
        kurtosis = stats.kurtosis(values)
        assert found[f"intensity_{region}_kurtosis"] == pytest.approx(kurtosis, abs=2e-2)
        for percentile in (10, 50, 90):
            wanted = np.percentile(values, percentile)
            # a bin of the histogram is 1/32 wide
            assert found[f"intensity_{region}_p{percentile}"] == pytest.approx(wanted, abs=1 / 32)


def test_local_binary_patterns(picture):
    wanted = feature.local_binary_pattern(levels_of(picture.grey), 8, 1, "uniform")
    found = patterns(torch.from_numpy(levels_of(picture.grey)[None] / np.float32(255)))[0].numpy()
    # The outermost pixels have neighbours outside, which scikit-image interpolates otherwise.
    assert (found == wanted)[1:-1, 1:-1].mean() > 0.999
    assert set(np.unique(found)) <= set(range(PATTERNS))


def test_histograms_of_oriented_gradients(picture):
    wanted = feature.hog(
        picture.equal[0].numpy(), DIRECTIONS, (SIDE // CELLS,) * 2, (BLOCK, BLOCK), "L2-Hys"
    )
    found = list(described(Gradients(), picture).values())
    assert np.corrcoef(found, wanted)[0, 1] > 0.99
