"""Still pictures of stages in notebooks: what is put where, in which words, and what is drawn again."""

import io

import pytest
from PIL import Image

from orwlab.show.lab.settings import Settings
from orwlab.show.notebook import still
from orwlab.show.stage import frames


@pytest.fixture
def drawn(monkeypatch):
    """Values for which a picture was asked for; the browser is not started."""
    values = []

    def png(value, *args, **kwargs):
        values.append(value)
        file = io.BytesIO()
        Image.new("RGB", (30, 20), (0, 114, 178)).save(file, "png")
        return file.getvalue()

    monkeypatch.setattr(still, "png", png)
    return values


def output(round=3, **changes):
    settings = {**vars(Settings(mode="learned")), **changes}
    description = {"settings": settings, "particles": 100, "round": round, "height": 300}
    data = {still.MIME: description, still.WIDGET: {"model_id": "1"}, "text/plain": "live stage"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def test_a_still_takes_the_widgets_place(drawn):
    one = output()
    assert still.replace(one)
    assert set(one["data"]) == {"image/png", "text/plain"}
    assert frames.decode(drawn[0]["frame"])[0]["lanes"][0]["round"] == 3
    alt = one["metadata"]["image/png"]["alt"]
    assert "after 3 rounds" in alt
    assert "eight gaussians" in alt
    assert "alpha 1: mean reward " in alt


def test_a_still_tells_of_every_lane(drawn):
    one = output(round=0, others=(0.25, 10.0), mode="both")
    still.replace(one)
    alt = one["metadata"]["image/png"]["alt"]
    assert "before the first round" in alt
    for lane in ("alpha 1", "alpha 0.25", "alpha 10"):
        assert f"{lane}: mean reward −0." in alt or f"{lane}: mean reward 0." in alt
    assert alt.count("exact limit") >= 3  # they were waited for


def test_a_still_that_is_known_is_not_drawn_again(drawn):
    one, same, other = output(), output(), output(alpha=0.1)
    still.replace(one)
    known = still.pictures([one, {"output_type": "stream", "text": "x"}, {"data": {"text/plain": "y"}}])
    assert not still.replace(same, known)
    assert same["data"] == one["data"]
    assert same["metadata"] == one["metadata"]
    assert still.replace(other, known)
    assert len(drawn) == 2


def test_other_outputs_are_left_alone(drawn):
    figure = {"data": {"image/png": "iVBOR", "text/plain": "figure"}, "metadata": {}}
    assert not still.replace(figure)
    assert figure == {"data": {"image/png": "iVBOR", "text/plain": "figure"}, "metadata": {}}
    assert not still.replace({"output_type": "stream", "text": "x"})
    assert not drawn


def test_a_still_changes_with_the_code_that_draws(monkeypatch):
    description = output()["data"][still.MIME]
    before = still.fingerprint(description)
    monkeypatch.setattr(still, "_drawing", lambda: "another stage")
    assert still.fingerprint(description) != before


def test_what_cannot_be_drawn_is_named():
    frame = {"scene": "", "exact": "", "frame": ""}
    for call, name in (
        (lambda: still.png({}), "value"),
        (lambda: still.png(frame, width=0), "width"),
        (lambda: still.png(frame, height=2.5), "height"),
        (lambda: still.png(frame, dark="yes"), "dark"),
        (lambda: still.png(frame, caption=None), "caption"),
        (lambda: still.png(frame, revealed=1), "revealed"),
        (lambda: still.picture({"round": 3}), "description"),
        (lambda: still.fingerprint(None), "description"),
        (lambda: still.replace(None), "output"),
    ):
        with pytest.raises(ValueError, match=f"^{name} is .*allowed"):
            call()
