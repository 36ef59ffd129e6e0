"""What the server makes for visitors to take home, and what it does with what is no picture."""

import base64
import io
import random

import numpy as np
import pytest
from own_loop import in_own_loop
from PIL import Image

from orwlab.show.lab import own
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.stage import gif
from orwlab.show.web import keeping
from orwlab.show.web.keeping import Keeping


def png(colour=(0, 114, 178), size=(64, 40)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def ask(keeper, **question):
    return in_own_loop(keeper.answer(question))


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
            "what": rng.choice(["cell", "picture", "gif", "replay", "points", "", 0]),
            "story": rng.choice([None, {}, {"scene": {}}, {"scene": {"alpha": "x"}}, {"scene": {}, "log": [[1]]}]),
            "mode": rng.choice(["learned", "exact", 5, None]), "measured": rng.choice(["average", "", []]),
            "film": rng.choice(["a", None]), "data": rng.choice([None, png(), "data:image/png;base64,AAAA"]),
            "text": rng.choice([None, 3, [], "", "1,2\n3,4", "\0", "a" * 20_000, "1;2\n" * 3, "nan,inf\n1e999,2"]),
        }  # fmt: skip
        answer = in_own_loop(keeper.answer(question))
        assert isinstance(answer, dict)
        assert set(answer) & {"error", "text", "count", "data", "value"}


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


def test_a_table_becomes_a_target_and_sentences():
    answer = ask(Keeping(), what="points", text="x;y\n" + "".join(f"{k},5;{k % 7}\n" for k in range(50)))
    assert answer["report"][:2] == [
        "Read 50 points from columns 'x' and 'y'.",
        "Taken: semicolons between columns and a decimal comma.",
    ]
    density = own.target(answer["value"])
    assert density.means.abs().max() <= 4.001
    assert BY_NAME["target"].check(answer["value"]) == answer["value"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "text is None; allowed: the text of a table"),
        ([1, 2], "allowed: the text of a table"),
        ("", "the table is empty"),
        ("a,b\nc,d", "no column holds numbers"),
        ("1,2\n\0", "this is no text"),
        ("1,2\n3,x\n5,6", "line 2: 'x' in column 2 is not a number"),
    ],
)
def test_what_is_no_table_is_answered_by_a_sentence(text, sentence):
    assert sentence in ask(Keeping(), what="points", text=text)["error"]
