"""Sheets of samples: what is drawn where, and numbers with closed forms."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from orwlab.large import sheets
from orwlab.large.settings import Settings
from orwlab.large.sheets import Samples, Sheets, beside, keep, kept, look, numbers, sheet
from orwlab.measure.distances import w2_squared

PROMPTS = ["a red fox", "two owls"]
COLOURS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])


def flat(*colours, size=32):
    """One-coloured images."""
    return torch.stack([colour.reshape(3, 1, 1).expand(3, size, size) for colour in colours])


def redness(images, prompts):
    return images[:, 0].mean((1, 2))


def samples(points, r=0.0):
    points = torch.as_tensor(points, dtype=torch.float32)
    return Samples(torch.zeros(*points.shape[:2], 3, 4, 4), torch.full(points.shape[:2], r), points)


def test_numbers_have_their_closed_forms():
    reference = samples([[[0.0, 0], [1, 0]], [[5, 5], [5, 8]]], 0.25)
    policy = samples([[[0.0, 2], [1, 2]], [[5, 8], [5, 5]]], 0.75)  # the second prompt's have changed places
    other = samples([[[0.0, 0], [1, 1]], [[5, 5], [5, 8]]])
    found = numbers(policy, reference, other)
    assert found["images"] == 4
    assert (found["reward"], found["reward_reference"]) == (0.75, 0.25)
    assert found["diversity"] == pytest.approx((1 + 3) / 2)
    assert found["w2_squared"] == pytest.approx((4 + 0) / 2)  # exact transport puts them back
    assert found["moved"] == pytest.approx((4 + 9) / 2)  # each with its own noise's
    assert found["floor"] == pytest.approx((0.5 + 0) / 2)


def test_images_of_different_prompts_are_not_exchanged():
    a = samples([[[0.0], [0]], [[10], [10]]])
    b = samples([[[10.0], [10]], [[0], [0]]])
    assert w2_squared(a.points.flatten(0, 1), b.points.flatten(0, 1)) == pytest.approx(0)
    assert numbers(b, a, a)["w2_squared"] == pytest.approx(100)


def test_where_nothing_is_learned_w2_is_zero_and_the_floor_is_not():
    g = torch.Generator().manual_seed(0)
    one, other = (samples(torch.randn(3, 4, 8, generator=g)) for _ in range(2))
    found = numbers(one, one, other)
    assert found["w2_squared"] == found["moved"] == 0
    assert found["floor"] > 5


def test_w2_is_at_most_what_moved():
    g = torch.Generator().manual_seed(1)
    a, b = (samples(torch.randn(3, 5, 4, generator=g)) for _ in range(2))
    found = numbers(a, b, a)
    assert 0 < found["w2_squared"] < found["moved"]


def test_one_image_a_prompt_has_no_diversity():
    one = samples([[[0.0]], [[1]]])
    assert numbers(one, one, one)["diversity"] is None


def test_look_keeps_the_order_of_prompts():
    found = look(flat(*COLOURS), PROMPTS, lambda x, prompts: [len(prompt) for prompt in prompts])
    assert found.r.tolist() == [[9] * 3, [8] * 3]
    assert torch.equal(found.images[1, 0], flat(COLOURS[3])[0])
    assert found.points.shape == (2, 3, 768)
    with pytest.raises(ValueError, match=r"^images is .*allowed: as many of each of the 2 prompts"):
        look(flat(*COLOURS[:3]), PROMPTS, redness)
    with pytest.raises(ValueError, match=r"^features\(images\) is .*allowed: points of shape \(6, d\)"):
        look(flat(*COLOURS), PROMPTS, redness, lambda x: x)


# -- what is drawn ---------------------------------------------------------------------------------------------------


def where(page, colour):
    """The box of all pixels of a colour: left, top, right, bottom."""
    found = (np.asarray(page) == (np.asarray(colour) * 255)).all(2)
    rows, columns = np.nonzero(found.any(1))[0], np.nonzero(found.any(0))[0]
    return columns[0], rows[0], columns[-1], rows[-1]


def drawn(r=None):
    found = look(flat(*COLOURS), PROMPTS, redness)
    return found, numbers(found, found, found)


def test_a_sheet_has_a_row_for_each_prompt_and_its_images_in_order():
    found, amounts = drawn()
    page = sheet(PROMPTS, found, 7, amounts, "tau 1")
    assert page.width == 1280
    boxes = [where(page, colour) for colour in COLOURS]
    first, second = boxes[:3], boxes[3:]
    for row in (first, second):
        assert len({(top, bottom) for _, top, _, bottom in row}) == 1
        assert all(a[2] < b[0] for a, b in pairwise(row))
    assert first[0][3] + 26 < second[0][1], "room for rewards and the next prompt"
    assert all(right - left == bottom - top > 300 for left, top, right, bottom in boxes)
    assert boxes[0][0] == sheets.MARGIN
    assert 1280 - sheets.MARGIN - 2 <= boxes[2][2] + 1 <= 1280 - sheets.MARGIN


def test_pairs_stand_side_by_side():
    reference = look(flat(*COLOURS[:4]), PROMPTS, redness)
    policy = look(
        flat(COLOURS[4], COLOURS[5], torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.6, 0.4, 0.2])), PROMPTS, redness
    )
    page = beside(PROMPTS, reference, policy, 7, numbers(policy, reference, reference))
    for before, after in ((COLOURS[0], COLOURS[4]), (COLOURS[1], COLOURS[5])):
        left, right = where(page, before), where(page, after)
        assert (left[1], left[3]) == (right[1], right[3])
        assert 0 < right[0] - left[2] < 6


@pytest.mark.parametrize("k", [1, 2, 7, 24])
@pytest.mark.parametrize("shape", [(16, 16), (200, 100), (90, 300)])
def test_any_number_of_any_shape_fits(k, shape):
    images = torch.rand(2 * k, 3, *shape, generator=torch.Generator().manual_seed(0)) * 0.9
    found = look(images, ["long " * 200, "鳥"], redness)
    for page in (
        sheet(PROMPTS, found, 1, numbers(found, found, found)),
        beside(PROMPTS, found, found, 1, numbers(found, found, found)),
    ):
        pixels = np.asarray(page)
        assert page.width == 1280
        for edge in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
            assert (edge == 255).all(), "a light margin"


def test_a_text_is_cut_where_it_does_not_fit():
    font = sheets._font(18)
    lines = sheets._wrapped("word " * 100, font, 400, 2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert all(font.getlength(line) <= 400 for line in lines)
    assert sheets._wrapped("w" * 500, font, 400, 2)[0] == "w" * len(sheets._wrapped("w" * 500, font, 400, 2)[0])
    assert sheets._wrapped("two words", font, 400, 2) == ["two words"]


def test_rewards_are_written_with_the_same_digits():
    said = sheets._as_digits(torch.tensor([0.3, -0.0412, 0.25]))
    assert [said(r) for r in (0.3, -0.0412)] == ["0.300", "\u22120.041"]
    assert sheets._as_digits(torch.tensor([1234.5]))(1234.5) in ("1234", "1235")
    assert sheets._as_digits(torch.zeros(2))(0.0).startswith("0.0")


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_lines_are_in_the_order_of_rounds_and_each_round_is_there_once(tmp_path):
    path = tmp_path / "numbers.jsonl"
    assert kept(path) == []
    for round in (10, 20, 30, 20):  # the run went on from the state after round 10
        keep(path, {"round": round, "reward": float(round), "prompts": ["schön"]})
    assert [row["round"] for row in kept(path)] == [10, 20]
    assert "schön" in path.read_text("utf-8")
    with path.open("a") as file:
        file.write('{"round": 30, "rew')  # the machine went down
    keep(path, {"round": 40})
    assert [json.loads(line)["round"] for line in path.read_text("utf-8").splitlines()] == [10, 20, 40]
    assert [file.name for file in tmp_path.iterdir()] == ["numbers.jsonl"]


def test_numbers_that_cannot_be_read_are_said(tmp_path):
    with pytest.raises(ValueError, match=r"^path is .*; allowed: a file that can be read"):
        kept(tmp_path)


class Drawn:
    """Stands for ``Training.images``: counts what is drawn."""

    def __init__(self):
        self.asked = []

    def __call__(self, prompts, each, *, of):
        self.asked.append((len(prompts) * each, of))
        g = torch.Generator().manual_seed(0)
        x = torch.rand(len(prompts) * each, 3, 16, 16, generator=g)
        if of == "average":
            x[:, 0] = 1 - 0.5 * (1 - x[:, 0])
        return x


@pytest.fixture
def settings(tmp_path):
    made = dict(model="a/b", prompts=PROMPTS, folder=tmp_path / "run", reward="a:b", clip_model=None)
    return Settings(**made, sheet_images=3, tau=2, alpha=0.5)


def test_sheets_are_written_and_the_reference_is_drawn_once(settings):
    images = Drawn()
    made = Sheets(settings, images, redness)
    rows = [made.add(10), made.add(20)]
    assert images.asked == [(12, "reference"), (6, "average"), (6, "average")]
    assert kept(settings.folder / "numbers.jsonl") == rows
    assert rows[0]["reward"] == pytest.approx(0.5 + 0.5 * rows[0]["reward_reference"], abs=1e-6)
    assert 0 < rows[0]["w2_squared"] < rows[0]["floor"]
    assert (rows[0]["tau"], rows[0]["alpha"], rows[0]["prompts"]) == (2, 0.5, PROMPTS)
    names = sorted(file.name for file in (settings.folder / "sheets").iterdir())
    assert names == [f"{k:06d}{more}.png" for k in (10, 20) for more in ("-beside-reference", "")]
    for name in names:
        with Image.open(settings.folder / "sheets" / name) as page:
            page.load()
            assert page.width == 1280
    line = sheets.told(rows[0])
    assert f"W2² to the reference {rows[0]['w2_squared']:.3g}" in line
    assert "6 images" in line


def test_a_folder_that_cannot_be_made(settings, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ValueError, match=r"^folder is .*; allowed: one that can be written to"):
        Sheets(settings, Drawn(), redness)
