"""Sharing and keeping: links that hold a whole run, scrubbing, the gallery, and everything one can take home."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
from lab import choose, drag, eventually, press, round_of, shown, state, typed, unfold, wait
from PIL import Image

from orwlab.show.lab.gallery import SCENES
from orwlab.show.lab.link import Link

pytestmark = pytest.mark.browser

LINK = "#reward=bump&alpha=0.3&tau=2&background=density&round=40&log=20:alpha:1;30:reward:ring"


def arrived(page, round):
    wait(page, f"round === {round} && meta.state === 'paused' && !meta.replaying && meta.run !== 'first'")


def seen(page):
    """What identifies a picture: its particles, its numbers, what its controls say."""
    found = state(page)
    meta = found["meta"]
    numbers = [[number["value"] for number in lane["numbers"]] for lane in meta["lanes"]]
    return found["positions"], numbers, shown(page)


def same(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1:] == other[1:]


def paused_after(page, rounds):
    wait(page, f"round > {rounds}")
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")


def share(page):
    press(page, "share")
    return page.locator("#keep-link").input_value()


def downloaded(page, what, tmp_path):
    with page.expect_download() as download:
        page.locator(f"[data-keep={what}]").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_pocket_lab_has_the_same_scene_for_many(visit):
    leaving = ("AbortError", "Connection errored out")  # the app's own stream, when its page goes
    page = visit(running=False, query="#mode=exact&alpha=0.3&tau=2", tolerate=leaving)
    link = share(page)
    there = page.locator(".keep-many a")
    assert there.is_visible()
    assert there.evaluate("a => a.href") == link.replace("/#", "/pocket#")
    assert "alpha=0.3" in link
    page.goto(there.evaluate("a => a.href"))
    wait(page, "meta.lanes[0].alpha === 0.3")
    page.wait_for_function("document.querySelector('.lab').lab.inForce.tau === 2")
    share(page)
    assert page.locator(".keep-many").is_hidden()  # this is it


def test_a_link_restores_the_same_frame_on_another_visit(visit):
    first = visit(running=False, query="#others=1")
    press(first, "toggle")
    wait(first, "round > 8")
    drag(first, "alpha", 0.3)
    wait(first, "round > 16")
    drag(first, "tau", 2)
    paused_after(first, 25)
    first.wait_for_timeout(1500)  # all numbers are read at rest
    link = share(first)
    story = Link.read(link).story
    assert story.round == round_of(first)
    assert list(dict.fromkeys(name for _, name, _ in story.log)) == ["alpha", "tau"]
    second = visit(running=False, query=link[link.index("#") :])
    arrived(second, story.round)
    second.wait_for_timeout(1500)
    same(seen(first), seen(second))


def test_reload_back_and_forward_keep_the_state(visit):
    page = visit(running=False, query=LINK, tolerate=("AbortError", "Connection errored out"))
    arrived(page, 40)
    page.wait_for_timeout(1500)
    before = seen(page)
    page.reload()
    page.wait_for_function("document.querySelector('.orw-stage')?.stage?.meta")
    arrived(page, 40)
    page.wait_for_timeout(1500)
    same(before, seen(page))
    page.locator("[data-attempt]").nth(1).click()  # a move: another run
    wait(page, "meta.state === 'running' && round > 3")
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    stopped = round_of(page)
    assert eventually(lambda: f"round={stopped}" in page.evaluate("location.hash"))
    page.go_back()
    arrived(page, 40)
    page.wait_for_timeout(1500)
    same(before, seen(page))
    page.go_forward()
    arrived(page, stopped)
    assert state(page)["meta"]["alpha"] == 1
    assert shown(page)["reward"] == "right"


def test_the_address_follows_what_one_does(visit):
    page = visit(running=False)
    assert page.evaluate("location.hash") == ""
    drag(page, "alpha", 0.1)
    unfold(page)
    page.locator("#arrows input").check(force=True)
    choose(page, "target", "rings")
    assert eventually(lambda: page.evaluate("location.hash") == "#target=rings&alpha=0.1&arrows=1")
    press(page, "demo")
    assert eventually(lambda: page.evaluate("location.hash") == "")


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#alpha=<img src=x onerror=window.hacked=1>", "allowed: a number"),
        ("#say=<b>x</b>&wheels=4", "does not have"),
        ("#alpha=1e9", "α is"),
        ("#target=javascript:alert(1)", "target is"),
        ("#round=99999999999999", "round is"),
        ("#log=3:alpha:1;2:alpha:2", "round of a change"),
        ("#%E0%A4%A", "no text as browsers encode it"),
    ],
)
def test_a_hostile_link_is_a_sentence_and_the_lab_goes_on(visit, fragment, words):
    page = visit(running=False, query=fragment)
    notice = page.locator(".lab .notice")
    assert eventually(lambda: words in (notice.text_content() or "")), notice.text_content()
    assert notice.is_visible()
    assert page.evaluate("window.hacked") is None
    press(page, "toggle")
    wait(page, "round > 2")


def test_a_teachers_link_says_locks_and_hides(visit):
    page = visit(
        running=False,
        query="#alpha=0.3&lock=alpha&hide=tau,target&say=What%20happens%3F%0A%3Cb%3EGuess%3C/b%3E%20first.",
    )
    says = page.locator(".teacher-says")
    assert says.is_visible()
    assert says.text_content() == "What happens?\n<b>Guess</b> first."
    assert not page.locator("#tau").is_visible()
    assert not page.locator("#target").is_visible()
    assert not page.locator("[data-attempt]").first.is_visible()
    before = typed(page, "alpha")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("1")
    page.keyboard.press("t")
    box = page.locator("#alpha .range").bounding_box()
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    press(page, "toggle")
    wait(page, "round > 2")
    settings = shown(page)
    assert (typed(page, "alpha"), settings["tau"], settings["target"]) == (before, "1", "eight_gaussians")
    choose(page, "reward", "bump")  # what is free stays free
    wait(page, "round > 5")
    assert "lock=alpha" in share(page)


def test_the_dialog_makes_a_teachers_link(visit):
    page = visit(running=False)
    press(page, "share")
    page.locator(".keep-class summary").click()
    page.locator("[data-part=alpha]").select_option("lock")
    page.locator("[data-part=seed]").select_option("hide")
    page.locator("[data-part=say]").fill("Why? & <how>")
    link = Link.read(page.locator("#keep-link").input_value())
    assert (link.lock, link.hide, link.say) == (("alpha",), ("seed",), "Why? & <how>")


def test_rounds_are_scrubbed_by_keys_and_the_run_waits(visit):
    page = visit()
    wait(page, "round > 30")
    page.locator(".orw-rounds input").focus()
    page.keyboard.press("Home")
    wait(page, "round === 0")
    start = state(page)["positions"]
    page.keyboard.press("ArrowRight")
    wait(page, "round > 0")
    assert eventually(lambda: not np.array_equal(start, state(page)["positions"]))  # they glide there
    assert round_of(page) < 10
    stopped = round_of(page)
    page.wait_for_timeout(700)
    assert round_of(page) == stopped
    page.keyboard.press("Escape")  # back to the present: it goes on
    wait(page, "round > 30 && meta.state === 'running'")


def test_what_was_recorded_plays(visit):
    page = visit()
    paused_after(page, 25)
    last = round_of(page)
    page.locator(".lab-player .orw-play").click()
    rounds = set()
    assert eventually(lambda: rounds.add(round_of(page)) or (len(rounds) > 5 and max(rounds) == last))
    assert min(rounds) < 5


def test_one_goes_on_from_an_earlier_round(visit):
    page = visit(running=False, query="#alpha=1")
    press(page, "toggle")
    wait(page, "round > 20")
    drag(page, "tau", 3)
    wait(page, "round > 40")
    page.locator(".orw-rounds input").focus()
    page.keyboard.press("Home")
    wait(page, "round === 0")
    for _ in range(3):  # key rounds: on a busy computer they are some rounds apart
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    there = round_of(page)
    assert 0 < there < 20
    page.locator(".orw-from").click()
    arrived(page, there)
    page.wait_for_timeout(1000)
    assert shown(page)["tau"] == "1"  # the change came later, and is forgotten
    again = visit(running=False, query=f"#alpha=1&round={there}")
    arrived(again, there)
    again.wait_for_timeout(1000)
    same(seen(page), seen(again))
    drag(page, "alpha", 0.1)
    press(page, "toggle")
    wait(page, f"round > {there} + 5")
    press(page, "toggle")
    story = Link.read(share(page)).story
    assert {name for _, name, _ in story.log} == {"alpha"}
    assert {at for at, _, _ in story.log} == {there}


def test_the_gallery_has_ten_scenes_and_each_leads_where_it_says(visit):
    page = visit(running=False)
    cards = page.locator(".lab-gallery a")
    assert cards.count() == len(SCENES) >= 10
    for k in (0, 2):
        assert Link.read(cards.nth(k).get_attribute("href")).story == SCENES[k].link.story
        cards.nth(k).click()
        wait(page, f"round === {SCENES[k].link.story.round} && !meta.replaying && meta.state === 'paused'")
        stage = page.locator(".lab-stage").bounding_box()
        assert -60 <= stage["y"] < 400  # it is in sight
    widths = page.evaluate(
        "[...document.querySelectorAll('.lab-gallery img')].map((i) => i.complete ? i.naturalWidth : 1)"
    )
    assert all(widths)


def test_pictures_and_tables_say_what_the_page_says(visit, tmp_path):
    page = visit(running=False, query="#alpha=0.3&others=1&round=12")
    arrived(page, 12)
    page.wait_for_timeout(1000)
    press(page, "share")
    image = Image.open(downloaded(page, "png", tmp_path)).convert("RGB")
    assert image.width == 2400
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    assert len(np.unique(pixels[::7] // 16, axis=0)) > 40  # a picture with words and dots, and no empty sheet
    samples = downloaded(page, "samples", tmp_path).read_text(encoding="utf-8-sig").splitlines()
    assert samples[0] == "lane,particle,x,y"
    points = np.array([[float(cell) for cell in line.split(",")[2:]] for line in samples[1:]])
    np.testing.assert_allclose(points, state(page)["positions"], atol=2e-6)
    rows = [
        line.split(",")
        for line in downloaded(page, "curves", tmp_path).read_text(encoding="utf-8-sig").splitlines()[1:]
    ]
    last = {(lane, what): float(value) for lane, what, _, value in rows}
    meta = state(page)["meta"]
    for lane, value in zip(meta["lanes"], meta["curves"][0]["values"], strict=True):
        assert f"{last[lane['label'], 'Mean reward']:.2f}".replace("-", "−") == value


def test_the_film_shows_all_rounds(visit, tmp_path):
    page = visit()
    paused_after(page, 15)
    press(page, "share")
    page.set_default_timeout(90_000)
    film = Image.open(downloaded(page, "gif", tmp_path))
    assert film.n_frames >= 10
    first = np.asarray(film.convert("RGB")).astype(int)
    film.seek(film.n_frames - 1)
    assert (np.abs(np.asarray(film.convert("RGB")).astype(int) - first).max(-1) > 60).mean() > 0.005


def test_the_replay_opens_from_disk_without_a_network(visit, browser, tmp_path):
    page = visit()
    paused_after(page, 25)
    page.wait_for_timeout(1500)  # all particles are of the last round
    positions, last = state(page)["positions"], round_of(page)
    press(page, "share")
    file = downloaded(page, "replay", tmp_path)
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 800})
    asked, complaints = [], []
    alone = context.new_page()
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("pageerror", lambda error: complaints.append(str(error)))
    alone.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    alone.goto(file.as_uri())
    wait(alone, "round === 0")
    alone.locator(".orw-rounds input").focus()
    alone.keyboard.press("End")
    wait(alone, f"round === {last}")
    alone.wait_for_timeout(1000)
    np.testing.assert_array_equal(state(alone)["positions"], positions)
    alone.keyboard.press("Home")
    wait(alone, "round === 0")
    alone.evaluate("document.activeElement.blur()")
    alone.keyboard.press("Space")  # plays
    wait(alone, f"round > 5 && round < {last}")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []
    context.close()


def test_the_exported_cell_prints_the_pages_numbers(visit):
    page = visit(running=False, query="#reward=bump&alpha=0.3&others=1&round=12&log=6:tau:2")
    arrived(page, 12)
    page.wait_for_timeout(1500)
    meta = state(page)["meta"]
    press(page, "share")
    page.locator("[data-keep=cell]").click()
    box = page.locator("#keep-cell")
    box.wait_for()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(box.input_value(), "cell", "exec"), {})
    for line, lane in zip(out.getvalue().splitlines(), meta["lanes"], strict=True):
        printed = [float(number) for number in re.findall(r"-?\d+\.\d+", line)[-2:]]
        there = {number["key"]: number["value"].replace("−", "-") for number in lane["numbers"]}
        assert printed == pytest.approx([float(there["reward"]), float(there["diversity"])], abs=0.0056)


def drop(page, name, content):
    page.evaluate(
        """([name, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([content], name, {type: 'application/json'}));
            const event = new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true});
            document.querySelector('.lab').dispatchEvent(event);
        }""",
        [name, content],
    )


def test_a_state_file_is_kept_and_opened_again(visit, tmp_path):
    page = visit(running=False, query=LINK)
    arrived(page, 40)
    page.wait_for_timeout(1500)
    before = seen(page)
    press(page, "share")
    file = downloaded(page, "state", tmp_path)
    assert Link.read(json.loads(file.read_text())["link"]) == Link.read(LINK)
    page.keyboard.press("Escape")
    press(page, "demo")
    wait(page, "round === 0 && meta.alpha === 1")
    drop(page, file.name, file.read_text())
    arrived(page, 40)
    page.wait_for_timeout(1500)
    same(before, seen(page))
    page.locator("#share").click()
    page.locator("#lab-keep [type=file]").set_input_files(str(file))
    page.wait_for_timeout(300)
    assert not page.locator("#lab-keep").is_visible()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"orwlab": 2, "link": ""}', '{"orwlab": 1, "link": 7}', "\x00\x01PNG"]
)
def test_what_is_no_state_is_answered_by_a_sentence(lab_page, content):
    drop(lab_page, "odd.json", content)
    notice = lab_page.locator(".lab .notice")
    assert eventually(lambda: "“odd.json” cannot be opened" in (notice.text_content() or ""))
    drag(lab_page, "alpha", 1)  # a move takes the sentence away
    assert eventually(lambda: not notice.is_visible())
