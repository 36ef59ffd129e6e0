"""What the server makes for visitors to take home, and what it does with what is no picture."""

import asyncio
import base64
import io
import random

import numpy as np
import pytest
from PIL import Image

from orwlab.show.stage import gif
from orwlab.show.web import keeping
from orwlab.show.web.keeping import Keeping


def png(colour=(0, 114, 178), size=(64, 40)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def ask(keeper, **question):
    return asyncio.run(keeper.answer(question))


def test_pictures_become_a_gif_that_goes_round():
    keeper, colours = Keeping(), [(0, 114, 178), (230, 159, 0), (0, 158, 115)]
    for k, colour in enumerate(colours):
        assert ask(keeper, what="picture", film="mine", data=png(colour)) == {"count": k + 1}
    data = ask(keeper, what="gif", film="mine")["data"]
    film = Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2])))
    assert (film.n_frames, film.size, film.info["loop"]) == (3, (64, 40), 0)
    for k, colour in enumerate(colours):
        film.seek(k)
        assert np.abs(np.asarray(film.convert("RGB")).reshape(-1, 3).mean(0) - colour).max() < 3
    assert "no pictures" in ask(keeper, what="gif", film="mine")["error"]  # once: it is not kept


def test_two_films_do_not_mix():
    keeper = Keeping()
    ask(keeper, what="picture", film="a", data=png())
    assert ask(keeper, what="picture", film="b", data=png(size=(50, 50))) == {"count": 1}
    assert "size of a picture" in ask(keeper, what="picture", film="a", data=png(size=(50, 50)))["error"]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(keeping, "FRAMES", 3)
    monkeypatch.setattr(keeping, "FILMS", 2)
    keeper = Keeping()
    for _ in range(3):
        ask(keeper, what="picture", film="long", data=png())
    assert "at most 3" in ask(keeper, what="picture", film="long", data=png())["error"]
    ask(keeper, what="picture", film="two", data=png())
    assert "Too many films" in ask(keeper, what="picture", film="three", data=png())["error"]
    monkeypatch.setattr(keeping, "FORGET", -1.0)  # nobody goes on with them
    assert ask(keeper, what="picture", film="three", data=png()) == {"count": 1}
    assert list(keeper._films) == ["three"]


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        "",
        "data:image/png;base64,",
        "data:image/png;base64,!!!",
        "data:image/png;base64," + base64.b64encode(b"GIF89a" + bytes(50)).decode(),
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(),
        png(size=(keeping.WIDEST + 1, 2)),
        png()[:60],
        "data:image/png;base64," + "A" * 2_000_000,
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(data):
    assert "data is" in ask(Keeping(), what="picture", film="x", data=data)["error"]


def test_anybody_can_ask_anything():
    rng = random.Random(0)
    odd = [
        None,
        [],
        {},
        3,
        "x" * 1000,
        {"what": None},
        {"what": "films"},
        {"what": "cell"},
        {"what": "gif", "film": []},
    ]
    keeper = Keeping()
    for _ in range(300):
        question = rng.choice(odd) if rng.random() < 0.3 else {
            "what": rng.choice(["cell", "picture", "gif", "replay", "", 0]),
            "story": rng.choice([None, {}, {"scene": {}}, {"scene": {"alpha": "x"}}, {"scene": {}, "log": [[1]]}]),
            "mode": rng.choice(["learned", "exact", 5, None]), "measured": rng.choice(["average", "", []]),
            "film": rng.choice(["a", None]), "data": rng.choice([None, png(), "data:image/png;base64,AAAA"]),
        }  # fmt: skip
        answer = asyncio.run(keeper.answer(question))
        assert isinstance(answer, dict)
        assert set(answer) & {"error", "text", "count", "data"}


def test_the_cell_is_python():
    text = ask(Keeping(), what="cell", story={"scene": {"alpha": 0.3}, "round": 5}, mode="learned", measured="average")[
        "text"
    ]
    compile(text, "cell", "exec")
    assert "alpha in (0.3,)" in text


def test_a_dot_keeps_its_colour_in_a_gif():
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste((213, 94, 0), (100, 100, 104, 104))
    film = Image.open(io.BytesIO(gif.animated([picture, picture], 100, 100)))
    assert np.abs(np.asarray(film.convert("RGB"))[102, 102].astype(int) - (213, 94, 0)).max() < 6
