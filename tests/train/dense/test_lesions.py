import pytest
import torch

from tumorlens.scan import draw_phantom
from tumorlens.train.dense import lesions

SIDE = 96


def head(seed, tumor=None):
    return torch.from_numpy(draw_phantom(seed, tumor=tumor, size=SIDE).pixels)[None].float()


def disc(row, column, radius):
    """A mask (1, SIDE, SIDE) with one round lesion; row and column in pixels."""
    axis = torch.arange(SIDE)
    inside = (axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2 <= radius**2
    return inside[None].float()


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(3)


def test_donor_has_no_lesion_where_it_is_needed():
    # else a lesion would be replaced by another one and the picture called free of tumors
    pictures = torch.stack([head(seed) for seed in range(10)])
    masks = torch.stack([disc(40 + (seed % 2) * 20, 30, 6) for seed in range(10)])
    found = lesions.find_donors((pictures * 255).byte(), (masks * 255).byte())
    for number in range(10):
        place = lesions.place_of(masks[number])
        for donor, mirrored in zip(found.index[number], found.mirrored[number], strict=True):
            lesion = masks[donor].flip(2) if mirrored else masks[donor]
            assert (place * lesion).sum() == 0


def test_a_picture_is_its_own_donor_only_when_mirrored():
    pictures = torch.stack([head(seed) for seed in range(9)])
    masks = torch.stack([disc(48, 30, 5)] * 9)
    found = lesions.find_donors((pictures * 255).byte(), (masks * 255).byte())
    itself = found.index == torch.arange(9)[:, None]
    assert itself.any(), "the mirrored side is a donor"
    assert found.mirrored[itself].all()


def test_transplant_takes_the_lesion_out_and_leaves_the_rest():
    clean = head(1)
    mask = disc(48, 34, 7)
    with_lesion = torch.where(mask > 0, torch.ones_like(clean), clean)
    result = lesions.transplant(with_lesion, clean, lesions.place_of(mask))
    far = lesions.dilate(lesions.place_of(mask)[None], 0.1)[0] == 0
    assert torch.equal(result[far], with_lesion[far])
    assert (result - clean)[mask > 0].abs().max() < 0.05


def test_implanted_lesion_lies_where_it_was_put_and_within_the_head(chance):
    host, source = head(5), head(6)
    mask = disc(60, 40, 8)
    bright = torch.where(mask > 0, torch.ones_like(source), source)
    moved = lesions.move(bright, mask, (0.0, 0.2), chance)
    rows, columns = torch.nonzero(moved[1] > 0.5, as_tuple=True)
    assert abs(rows.float().mean() - (SIDE - 1) / 2) < 2
    assert abs(columns.float().mean() - (0.2 + 1) / 2 * (SIDE - 1)) < 2
    result, outline = lesions.implant(host, moved[:1], moved[1:], chance)
    assert 0 <= result.min() <= result.max() <= 1
    changed = (result - host).abs() > 0.02
    assert changed.any()
    assert (outline[changed] > 0).float().mean() > 0.8, "what changed is what the mask says"
    assert (outline * (lesions.within_head(host) == 0)).sum() == 0


@pytest.mark.parametrize("seed", range(20))
def test_drawn_lesions_are_visible_marked_and_in_range(seed):
    chance = torch.Generator().manual_seed(seed)
    host = head(seed)
    spot = lesions.spot_in_head(host, chance)
    result, mask = lesions.draw_lesion(host, spot, chance)
    assert result.shape == mask.shape == host.shape
    assert 0 <= result.min() <= result.max() <= 1
    assert mask.max() > 0.5
    assert (result - host)[mask > 0.5].abs().mean() > 0.01


def test_same_chance_draws_the_same_lesion():
    # a resumed run must see what the unbroken one would have seen
    def drawn():
        chance = torch.Generator().manual_seed(11)
        return lesions.draw_lesion(head(2), lesions.spot_in_head(head(2), chance), chance)

    assert all(torch.equal(a, b) for a, b in zip(drawn(), drawn(), strict=True))


def test_a_blank_picture_still_has_a_spot(chance):
    row, column = lesions.spot_in_head(torch.zeros(1, SIDE, SIDE), chance)
    assert -1 <= row <= 1
    assert -1 <= column <= 1
