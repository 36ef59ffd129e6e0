"""The Live lab by keyboard, and on a projector."""

import time

import pytest
from lab import drag, enter, eventually, press, round_of, shown, state, typed, unfold, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_keys_act_on_the_whole_page_except_while_typing(visit):
    page = visit()
    keyboard = page.keyboard
    keyboard.press("Space")
    wait(page, "meta.state === 'paused'")
    time.sleep(0.5)
    start = round_of(page)
    keyboard.press("s")
    wait(page, f"round === {start + 1}")
    before = typed(page, "alpha"), typed(page, "tau")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowUp")
    assert typed(page, "alpha") > before[0]
    assert typed(page, "tau") > before[1]
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowDown")
    assert (typed(page, "alpha"), typed(page, "tau")) == before
    page.locator("#alpha .typed").focus()
    keyboard.type("s r p ?")
    assert not page.locator("#lab-keys").is_visible()
    assert page.locator(".lab.presenting").count() == 0
    assert round_of(page) == start + 1
    keyboard.press("Escape")
    page.locator("#alpha .typed").blur()
    keyboard.press("?")
    assert page.locator("#lab-keys").is_visible()
    assert page.locator("#lab-keys dt").count() >= 8
    keyboard.press("Escape")
    assert not page.locator("#lab-keys").is_visible()
    keyboard.press("r")
    wait(page, "round === 0")


def test_a_button_pressed_by_mouse_does_not_take_the_space_bar(visit):
    page = visit()
    wait(page, "round > 5")
    press(page, "reset")
    wait(page, "round === 0")
    was = state(page)["meta"]["state"]
    page.keyboard.press("Space")
    wait(page, f"meta.state === '{'paused' if was == 'running' else 'running'}'")


@pytest.mark.parametrize("control", ["a list", "a box", "a word"])
def test_what_was_chosen_by_mouse_does_not_take_the_space_bar(visit, control):
    page = visit(running=False)
    unfold(page)
    if control == "a list":
        page.locator("#target select").click()
        page.locator("#target select").select_option("four_modes")
    elif control == "a box":
        page.locator("#arrows input").click()
    else:
        page.locator("#mode label").nth(1).click()
    page.keyboard.press("Space")
    wait(page, "meta.state === 'running' && round > 1")


@pytest.mark.parametrize("end", ["Enter", "Escape"])
def test_the_space_bar_plays_after_something_was_typed(visit, end):
    page = visit(running=False)
    wait(page, "meta.run !== 'first'")
    box = page.locator("#alpha .typed")
    box.click()
    page.keyboard.type("3")
    page.keyboard.press(end)
    value = "3" if end == "Enter" else "1"
    assert box.input_value() == value
    page.keyboard.press("Space")
    wait(page, f"meta.state === 'running' && round > 1 && meta.lanes[0].alpha === {value}")
    assert box.input_value() == value


def test_every_key_of_the_list_does_what_the_list_says(visit):
    page = visit(running=False)
    wait(page, "meta.run !== 'first'")
    start, keyboard = shown(page), page.keyboard
    page.keyboard.press("?")
    listed = "".join(page.locator("#lab-keys kbd").all_inner_texts()).replace(" ", "")
    assert listed == "SpaceSZRF←→↓↑1234ETWP+−0,.Shift+,.?EnterEsc"
    page.keyboard.press("Escape")
    for mode in ("both", "exact", "learned"):
        keyboard.press("e")
        assert shown(page)["mode"] == mode
        wait(page, f"meta.mode === '{mode}'")
    assert eventually(lambda: page.locator(".lab-said").inner_text() == "Show: Learned")
    for key, name in (("t", "target"), ("w", "reward")):
        options = page.locator(f"#{name} select > option:not([disabled])").evaluate_all(
            "(all) => all.map((one) => one.value)"
        )
        for _ in options:
            before = shown(page)[name]
            keyboard.press(key)
            assert shown(page)[name] == options[(options.index(before) + 1) % len(options)]
    assert shown(page) == start
    for k in range(4):
        keyboard.press(str(k + 1))
        chosen = page.locator("[data-attempt]").nth(k)
        assert chosen.get_attribute("aria-pressed") == "true"
    wait(page, "meta.lanes.length === 4 && round > 1", 120)
    keyboard.press("f")
    assert page.locator("#flow").get_attribute("aria-pressed") == "true"
    keyboard.press("f")
    keyboard.press("1")
    wait(page, "meta.lanes.length === 1 && round > 2")
    keyboard.press("ArrowUp")
    wait(page, "meta.tau > 2 && round > 20")
    assert eventually(page.locator("#undo").is_enabled)
    keyboard.press("z")
    wait(page, "meta.tau === 2 && !meta.replaying")
    keyboard.press("r")
    wait(page, "round === 0")
    keyboard.press("s")
    wait(page, "round === 1")
    keyboard.press(",")
    wait(page, "round === 0")
    keyboard.press(".")
    wait(page, "round === 1")
    keyboard.press("<")
    wait(page, "stage.frame.time === 0.95")
    keyboard.press(">")
    wait(page, "stage.frame.time === 1 && meta.round === 1")
    assert page.locator(".orw-back").count() == 1
    keyboard.press("Escape")
    assert page.locator(".orw-back").count() == 0
    assert state(page)["counters"]["errors"] == 0


# ---- presenting

VISIBLE = ("alpha", "tau", "toggle", "flow", "leave")
GONE = ("target", "reward", "mode", "group-view", "step", "reset", "demo", "undo", "present", "help")


@pytest.mark.parametrize(
    ("width", "height"), [(1280, 720), (1024, 768), (1920, 1080), (768, 1024), (360, 740), (740, 360)]
)
def test_presenting_leaves_the_stage_alpha_tau_and_play(visit, width, height):
    page = visit(width, height)
    page.keyboard.press("p")
    page.wait_for_selector(".lab.presenting")
    time.sleep(0.5)
    found = {name: page.locator(f"#{name}").bounding_box() for name in VISIBLE}
    stage = page.locator(".lab-stage").bounding_box()
    assert stage["width"] > 0.9 * width
    assert stage["height"] > (0.7 if width > 900 else 0.5) * height
    picture = page.locator(".orw-picture").bounding_box()
    assert picture["height"] > 0.45 * height
    for name, box in found.items():
        assert stage["y"] + stage["height"] <= box["y"] + 1, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width + 1, name
        assert box["y"] + box["height"] <= height + 1, name
    for name in GONE:
        assert not page.locator(f"#{name}").is_visible(), name
    sizes = page.evaluate("""() => ['#toggle', '#flow', '#leave', '#alpha .typed', '#tau .typed'].map((name) =>
        parseFloat(getComputedStyle(document.querySelector(name)).fontSize))""")
    assert min(sizes) >= (20 if height > 400 else 14)
    spilled = page.evaluate("""() => [...document.querySelectorAll('#toggle, #flow, #leave')].filter((el) =>
        el.scrollWidth > el.clientWidth + 1).map((el) => el.id)""")
    assert spilled == []


def test_presenting_by_mouse_and_keys(visit):
    page = visit()
    page.keyboard.press("p")
    page.wait_for_selector(".lab.presenting")
    drag(page, "alpha", 0.1)
    before = typed(page, "tau")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowUp")
    assert typed(page, "tau") > before
    wait(page, f"meta.lanes[0].alpha === 0.1 && meta.tau === {typed(page, 'tau')}")
    page.keyboard.press("Space")
    wait(page, "meta.state === 'paused'")
    press(page, "toggle")
    wait(page, "meta.state === 'running'")
    page.keyboard.press("Escape")
    page.wait_for_selector(".lab:not(.presenting)")
    assert page.locator("#target").is_visible()
    press(page, "present")
    page.locator("#leave").click()
    page.wait_for_selector(".lab:not(.presenting)")


def test_escape_leaves_a_box_first_then_the_flow_then_the_presentation(visit):
    page = visit(running=False)
    wait(page, "meta.run !== 'first'")
    press(page, "present")
    press(page, "flow")
    page.locator("#alpha .typed").fill("7")
    page.keyboard.press("Escape")
    assert typed(page, "alpha") == 1
    assert page.locator("#flow").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.locator("#flow").get_attribute("aria-pressed") == "false"
    assert page.locator(".lab.presenting").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector(".lab:not(.presenting)")


def test_presenting_tells_the_moves_sentence_and_no_pointer_leaves_a_hint(visit):
    page = visit(running=False)
    titles = page.locator(".lab button[title]").evaluate_all("(all) => all.map((one) => one.title)")
    press(page, "present")
    assert not page.locator(".attempted").is_visible()
    page.evaluate("document.querySelectorAll('[data-attempt]')[0].click()")
    sentence = page.locator(".attempted")
    assert sentence.is_visible()
    assert sentence.evaluate("(el) => parseFloat(getComputedStyle(el).fontSize)") >= 20
    assert sentence.bounding_box()["y"] >= 0
    for name in VISIBLE:
        assert not page.locator(f"#{name}").get_attribute("title")
    drag(page, "tau", 0.5)
    assert not sentence.is_visible()
    page.locator("#leave").click()
    assert page.locator(".lab button[title]").evaluate_all("(all) => all.map((one) => one.title)") == titles


def test_a_wrong_entry_is_explained_while_presenting(visit):
    page = visit(running=False)
    wait(page, "meta.run !== 'first'")
    press(page, "present")
    enter(page, "alpha", "-3")
    words = page.locator("#alpha > .help")
    assert eventually(words.is_visible)
    assert "allowed" in words.inner_text()
    box = words.bounding_box()
    assert box["y"] + box["height"] <= 720
