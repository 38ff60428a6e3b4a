"""If these fail, a user cannot see what a recipe's ranges do before a night of training."""

import pytest
import torch
from PIL import Image

from tumorlens.errors import RecipeError
from tumorlens.train.augment import AugmentRecipe, preview


def test_each_row_begins_with_the_image_itself(tmp_path):
    images = (torch.rand(3, 1, 20, 30) * 255).byte()
    preview(images, AugmentRecipe(noise=0.2), tmp_path / "new" / "sheet.png", views=4)
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (5 * 34 - 4, 3 * 24 - 4)
        pixels = torch.frombuffer(bytearray(sheet.tobytes()), dtype=torch.uint8)
    rows = pixels.view(3 * 24 - 4, 5 * 34 - 4)
    assert torch.equal(rows[24:44, :30], images[1, 0])
    forms = {tuple(rows[24:44, 34 * n : 34 * n + 30].flatten().tolist()) for n in range(5)}
    assert len(forms) == 5


def test_the_same_seed_gives_the_same_sheet(tmp_path):
    images = torch.rand(2, 1, 20, 20)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        preview(images, AugmentRecipe(rotation=20), tmp_path / f"{name}.png", seed=seed)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_a_format_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"sheet\.xyz: write it to a file that ends in \.png"):
        preview(torch.rand(1, 1, 9, 9), AugmentRecipe(), tmp_path / "sheet.xyz")
