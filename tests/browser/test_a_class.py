"""A teacher and three students play a lesson: by keyboard, by mouse and by touch, and what each of them sees."""

import json
import re
import urllib.request

import pytest

pytestmark = pytest.mark.browser

LESSON = """
title: Five ways to guess
minutes: 5
scenes:
  - title: What is left?
    link: "#reward=bump&tau=2&alpha=0"
    say: Nothing holds the model.
    rounds: 12
    ask: {kind: choose, prompt: "What is left?", options: [everything, "<b>one</b> spot", nothing], answer: 2}
    why: It imitates its best samples.
  - title: How much?
    link: "#alpha=1&mode=exact"
    ask: {kind: alpha, prompt: "Which α?", goal: {reading: reward, value: 0.6}}
  - title: Where?
    link: "#reward=bump&tau=2&alpha=1&mode=exact"
    ask: {kind: place, prompt: "Where is the limit densest?", answer: peak}
  - title: How?
    link: "#alpha=1&speed=0"
    rounds: 12
    ask: {kind: curve, prompt: "Draw the reward.", of: reward, low: 0, high: 1}
  - title: In which order?
    link: "#alpha=0.3&others=1,3&mode=exact"
    ask: {kind: order, prompt: "The least diverse first.", by: diversity}
  - title: Look
    link: "#alpha=3&mode=exact"
"""
HEARD = "document.querySelector('.room').room?.all"
PHONE = dict(width=360, height=740, has_touch=True, is_mobile=True)


def post(address, path, body, token=""):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


class Class:
    """A room, and everybody in it."""

    def __init__(self, visit, address, lesson=LESSON):
        self.visit, self.address = visit, address
        made = post(address, "classroom/rooms", {"text": lesson})
        self.code, self.secret = made["code"], made["secret"]

    def teacher(self, **options):
        """The projector's page."""
        where = f"classroom#{self.code}.{self.secret}"
        return self.visit(query=where, running=False, ready=f"{HEARD} !== null", policy=True, **options)

    def student(self, name="", typed=False, **options):
        """A student's page, inside; ``typed``: by the code, not by the address that holds it."""
        ready, query = "!!document.querySelector('#join')", "join" if typed else f"join/{self.code}"
        page = self.visit(query=query, running=False, ready=ready, policy=True, **options)
        if typed:
            page.locator("#code").fill(self.code)
        page.locator("#name").fill(name)
        page.locator("#join button").click()
        page.wait_for_function(f"{HEARD} !== null")
        return page


@pytest.fixture
def classes(visit, address):
    return lambda **options: Class(visit, address, **options)


def heard(page, what):
    return page.evaluate(f"{HEARD}.{what}")


def until(page, step, scene=None):
    page.wait_for_function(f"([s, k]) => {HEARD}.step === s && (k === null || {HEARD}.scene === k)", arg=[step, scene])


def press(page, key, step, scene=None):
    page.keyboard.press(key)
    until(page, step, scene)


def reveal(teacher):
    """From a question to its answer, by the arrow alone."""
    press(teacher, "ArrowRight", "locked")
    if heard(teacher, "rounds"):
        press(teacher, "ArrowRight", "run")
        teacher.wait_for_function(f"{HEARD}.over", timeout=60_000)
    press(teacher, "ArrowRight", "reveal")
    teacher.wait_for_function(f"{HEARD}.reveal.truth !== null", timeout=60_000)


def counted(teacher, many):
    """The projector says within a second how many have guessed."""
    teacher.wait_for_function("n => document.querySelector('.room-count .many').textContent === n", arg=str(many))


def sent(page):
    page.locator("#send").click()
    page.wait_for_function("document.querySelector('.room-guess').textContent.startsWith('Your guess is in')")


def on_the_stage(page, x, y):
    """Where a place of the plane is on the page."""
    return page.evaluate(
        """([x, y]) => {
          const stage = document.querySelector(".room-stage .orw-stage").stage, plot = stage.layout.plots[0];
          const box = stage.canvas.getBoundingClientRect(), [x0, x1, y0, y1] = stage.camera.now;
          return [box.x + plot.x + ((x - x0) / (x1 - x0)) * plot.w, box.y + plot.y + ((y1 - y) / (y1 - y0)) * plot.h];
        }""",
        [x, y],
    )


def test_a_class_plays_a_whole_lesson(classes):
    room = classes()
    teacher = room.teacher()
    by_touch, by_key, by_mouse = (
        room.student("Ada", **PHONE), room.student(width=768, height=900), room.student("Bo", dark=True),
    )  # fmt: skip
    students = (by_touch, by_key, by_mouse)
    assert teacher.locator(".room-lobby .door-code").inner_text() == room.code
    teacher.wait_for_function(f"{HEARD}.here === 3")

    # choose
    press(teacher, "PageDown", "ask", 0)
    for page in students:
        until(page, "ask", 0)
        assert page.locator(".ask-words").all_inner_texts() == ["everything", "<b>one</b> spot", "nothing"]
    by_touch.locator(".ask-option").nth(1).tap()
    by_touch.locator("#send").tap()
    by_key.locator(".ask-option input").first.focus()
    by_key.keyboard.press("ArrowDown")
    by_key.keyboard.press("ArrowDown")
    by_key.keyboard.press("Tab")
    by_key.keyboard.press("Enter")
    by_mouse.locator(".ask-option").first.click()
    by_mouse.locator("#send").click()
    counted(teacher, 3)
    assert heard(by_touch, "reveal") is None
    assert "exact" not in teacher.locator(".room-stage").inner_text()
    reveal(teacher)
    assert teacher.locator(".guessed-count").all_inner_texts() == ["1 (33 %)", "1 (33 %)", "1 (33 %)"]
    assert teacher.locator(".room-why").inner_text() == "It imitates its best samples."
    until(by_touch, "reveal")
    assert by_touch.locator(".room-points").inner_text() == "You were right."
    assert "yours" in by_mouse.locator(".room-reveal").inner_text()

    # alpha: a drag by touch is a slider's own; by key; typed
    press(teacher, "ArrowRight", "ask", 1)
    for page, alpha in zip(students, ("0.3", "1", "0")):
        until(page, "ask", 1)
        if page is by_key:
            page.locator(".ask-alpha .range").focus()
            page.keyboard.press("End")
            page.keyboard.press("Home")
        else:
            page.locator(".ask-alpha .typed").fill(alpha)
            page.keyboard.press("Enter")
        sent(page)
    counted(teacher, 3)
    reveal(teacher)
    assert 0.1 < heard(teacher, "reveal.truth.value") < 0.6
    assert "right" in teacher.locator(".room-reveal").inner_text()

    # place
    press(teacher, "ArrowRight", "ask", 2)
    for page in students:
        until(page, "ask", 2)
    by_touch.locator(".room-stage").scroll_into_view_if_needed()
    by_touch.touchscreen.tap(*on_the_stage(by_touch, 2, 2))
    by_key.locator(".room-overlay").focus()
    for key in ("Shift+ArrowUp", "Shift+ArrowRight", "Enter"):
        by_key.keyboard.press(key)
    by_mouse.mouse.click(*on_the_stage(by_mouse, -3, 0))
    for page in students:
        sent(page)
    counted(teacher, 3)
    assert by_touch.evaluate("document.querySelector('.room').room.mine.own") == pytest.approx([2, 2], abs=0.1)
    reveal(teacher)
    assert heard(teacher, "reveal.truth.value") == pytest.approx([2.06, 2.06], abs=0.2)
    assert "1 within 1 unit" in teacher.locator(".guessed-head").inner_text()

    # curve
    press(teacher, "ArrowRight", "ask", 3)
    for page in students:
        until(page, "ask", 3)
        pad = page.locator(".ask-pad")
        pad.scroll_into_view_if_needed()
        if page is by_key:
            pad.focus()
            for _ in range(9):
                page.keyboard.press("ArrowUp")
                page.keyboard.press("ArrowRight")
        else:
            box = pad.bounding_box()
            page.mouse.move(box["x"] + 1, box["y"] + 0.8 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 0.4 * box["height"], steps=8)
            page.mouse.up()
        sent(page)
    counted(teacher, 3)
    reveal(teacher)
    assert heard(teacher, "reveal.truth.run") is True
    assert len(heard(teacher, "reveal.truth.value")) == 33
    assert "3 curves" in teacher.locator(".guessed-head").inner_text()

    # order
    press(teacher, "ArrowRight", "ask", 4)
    for page in students:
        until(page, "ask", 4)
    by_touch.locator(".ask-sure").tap()
    by_key.locator(".ask-cards button:enabled").first.focus()
    by_key.keyboard.press("Enter")
    by_mouse.locator(".ask-cards button:enabled").last.click()
    for page in students:
        sent(page)
    counted(teacher, 3)
    reveal(teacher)
    assert heard(teacher, "reveal.truth.value") == [1, 2, 3]
    until(by_touch, "reveal")
    assert by_touch.locator(".room-points").inner_text() == "You were right."

    # and the end
    press(teacher, "ArrowRight", "show", 5)
    press(teacher, "ArrowRight", "end")
    for page in students:
        until(page, "end")
        assert page.locator(".room-title").inner_text() == "That was the lesson."


def test_pages_keep_to_their_own_rules(browser, classes):
    """Without the tests' own scripts: nothing that a page does is forbidden by the policy that it came with."""
    room = classes()
    context = browser.new_context()
    complaints = []
    for path in (f"classroom#{room.code}.{room.secret}", f"join/{room.code}"):
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(room.address + path)
        if path.startswith("join"):
            page.locator("#join button").click()
            page.locator(".room-in").wait_for()
        else:
            page.locator(".room-lobby .door-code").wait_for()
            page.keyboard.press("ArrowRight")
            page.locator(".room-prompt").wait_for()
        for _ in range(40):
            if page.evaluate("document.querySelector('.room').room.made?.counters.painted ?? 0") > 0:
                break
            page.wait_for_timeout(250)
        else:
            pytest.fail("no picture")
    context.close()
    assert complaints == []


def test_the_secret_leaves_the_address_and_is_kept(classes, address):
    room = classes()
    teacher = room.teacher()
    assert teacher.evaluate("location.hash") == f"#{room.code}"
    assert room.secret not in teacher.content()
    teacher.reload()
    teacher.wait_for_function(f"{HEARD} !== null")
    teacher.goto(f"{address}classroom")
    teacher.get_by_role("link", name=f"Five ways to guess · {room.code}").click()
    teacher.wait_for_function(f"{HEARD} !== null")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_the_projector_shows_everything_without_scrolling(classes, width, height):
    room = classes()
    teacher = room.teacher(width=width, height=height)
    room.student("Ada", **PHONE)
    for step in ("lobby", "ask", "locked", "run", "reveal"):
        until(teacher, step)
        if step == "reveal":
            teacher.wait_for_function(f"{HEARD}.reveal.truth !== null")
        teacher.wait_for_timeout(300)
        door = teacher.locator(".room-door")
        assert door.is_visible()
        assert re.search(rf"/join with the code {room.code}", door.inner_text())
        image = door.locator("img")
        assert image.bounding_box()["width"] >= 50
        assert image.evaluate("image => image.complete && image.naturalWidth > 20")
        scroll = teacher.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
        assert scroll[0] <= height
        assert scroll[1] <= width
        panel = teacher.locator(".room-panel")
        assert panel.evaluate("panel => panel.scrollHeight <= panel.clientHeight + 1"), step
        smallest = teacher.evaluate(
            """[...document.querySelectorAll(".room-panel *")].filter((e) => e.getClientRects().length &&
            [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.closest(".lab-said"))
            .map((e) => parseFloat(getComputedStyle(e).fontSize)).reduce((a, b) => Math.min(a, b), 99)"""
        )
        assert smallest >= 14, step
        teacher.keyboard.press("ArrowRight")
    teacher.keyboard.press("j")
    assert teacher.locator("#room-join .door-code").is_visible()
    assert teacher.locator("#room-join .door-qr").bounding_box()["width"] > 0.4 * height


def test_everything_is_done_by_keyboard_alone(classes):
    room = classes()
    teacher = room.teacher()
    room.student("Ada", **PHONE)
    press(teacher, "ArrowRight", "ask")
    press(teacher, "ArrowLeft", "lobby")
    press(teacher, "ArrowRight", "ask")
    press(teacher, "ArrowRight", "locked")
    teacher.keyboard.press("v")
    teacher.wait_for_function(f"{HEARD}.item === '0.1'")
    until(teacher, "ask")
    for key in ("v", "h", " "):  # none of them while people vote
        teacher.keyboard.press(key)
        teacher.wait_for_timeout(200)
    assert (heard(teacher, "item"), heard(teacher, "hands")) == ("0.1", None)
    assert teacher.evaluate("document.querySelector('.room').room.made.meta.state") == "paused"
    teacher.keyboard.press("o")
    teacher.wait_for_function("document.querySelector('.room').room.mine.points === true")
    for key, dialog in (("j", "room-join"), ("l", "room-links"), ("?", "room-keys")):
        teacher.keyboard.press(key)
        assert teacher.locator(f"#{dialog}").is_visible()
        teacher.keyboard.press("Escape")
        assert teacher.locator(f"#{dialog}").is_hidden()
    press(teacher, "ArrowRight", "locked")
    press(teacher, "ArrowRight", "run")
    teacher.wait_for_function(f"{HEARD}.over", timeout=60_000)
    press(teacher, "ArrowRight", "reveal")
    teacher.keyboard.press("h")
    teacher.wait_for_function(f"{HEARD}.hands !== null")
    teacher.keyboard.press("h")
    teacher.wait_for_function(f"{HEARD}.hands === null")
    teacher.keyboard.press("d")
    assert teacher.evaluate("document.documentElement.classList.contains('dark')")


def test_what_is_exact_reaches_nobody_before_the_answer(classes):
    room = classes()
    teacher, student = room.teacher(), room.student("Ada", **PHONE)
    press(teacher, "ArrowRight", "ask")
    until(student, "ask")
    student.wait_for_function("document.querySelector('.room').room.value.frame")
    for _ in range(2):
        meta, exact = student.evaluate("""(() => {
          const room = document.querySelector(".room").room;
          return [room.stage.meta, room.value.exact ?? ""];
        })()""")
        assert [curve["exact"] for curve in meta["curves"] if curve["exact"]] == []
        assert [one for lane in meta["lanes"] for one in lane["numbers"] if one["exact"]] == []
        assert exact == ""
        teacher.keyboard.press("ArrowRight")
        student.wait_for_timeout(500)
    assert "answer" not in json.dumps(heard(student, "ask"))


def test_a_broken_line_is_said_and_loses_no_guess(classes):
    room = classes()
    teacher = room.teacher()
    student = room.student("Ada", tolerate=("net::", "Failed to load"), **PHONE)
    press(teacher, "ArrowRight", "ask")
    until(student, "ask")
    student.locator(".ask-option").nth(1).tap()
    student.context.set_offline(True)
    student.locator("#send").tap()
    student.wait_for_function("document.querySelector('.room-guess').textContent.startsWith('The line is broken')")
    student.context.set_offline(False)
    student.wait_for_function("document.querySelector('.room-guess').textContent.startsWith('Your guess is in')")
    counted(teacher, 1)
    student.reload()
    student.wait_for_function(f"{HEARD} !== null")
    student.wait_for_function("document.querySelector('.room').room.mine.own === 2")
    assert student.locator(".ask-option input").nth(1).is_checked()


def test_names_and_codes_are_text_and_wrong_ones_are_said(classes, visit):
    room = classes()
    teacher = room.teacher()
    student = room.student("<img src=x onerror=alert(1)>"[:24], tolerate=("404",), **PHONE)
    assert "<img" in student.locator(".room-who").inner_text()
    assert student.locator(".room-who img").count() == 0
    student.locator("#leave").click()
    student.locator("#code").fill("AEIOU")
    student.locator("#join button").click()
    student.wait_for_function("document.querySelector('#join-wrong').textContent.includes('no room')")
    student.locator("#code").fill(f"  {room.code.lower()} ")
    student.locator("#join button").click()
    student.wait_for_function(f"{HEARD} !== null")
    teacher.wait_for_function(f"{HEARD}.here === 1")


def test_a_link_goes_to_the_projector_with_one_press(classes):
    room = classes()
    teacher, student = room.teacher(), room.student("Ada", **PHONE)
    press(teacher, "ArrowRight", "ask")
    reveal(teacher)
    teacher.keyboard.press("h")
    student.locator(".room-dial").wait_for()
    student.wait_for_function(
        "document.querySelector('.room-hands .orw-stage').stage?.counters.painted > 0", timeout=60_000
    )
    token = student.evaluate("document.querySelector('.room').room.token")
    post(room.address, "join/send", {"code": room.code, "link": "#alpha=3&reward=ring"}, token)
    teacher.wait_for_function("document.querySelector('.links-many').textContent === '(1)'")
    teacher.keyboard.press("l")
    assert "Ada" in teacher.locator("ul.links").inner_text()
    teacher.locator("ul.links button").click()
    teacher.wait_for_function(f"{HEARD}.shown")
    teacher.wait_for_function("document.querySelector('.room').room.made.meta.lanes[0].alpha === 3")
    teacher.keyboard.press("ArrowLeft")
    teacher.wait_for_function(f"!{HEARD}.shown")


@pytest.mark.parametrize("typed", [False, True])
def test_all_controls_are_in_a_student_s_hand(classes, typed):
    room = classes()
    teacher, student = room.teacher(), room.student("Ada", typed, **PHONE)
    press(teacher, "ArrowRight", "ask")
    reveal(teacher)
    teacher.keyboard.press("h")
    student.get_by_role("button", name="All controls").click()
    inside = student.frame_locator("iframe[title='Pocket lab']")
    inside.locator("#toggle").click()
    student.frames[-1].wait_for_function("document.querySelector('.orw-stage').stage?.meta?.round > 3")
    student.locator(".whole-head").get_by_role("button", name="Send this to the teacher").click()
    student.get_by_text("Sent, as it is now.").wait_for()
    teacher.wait_for_function("document.querySelector('.links-many').textContent === '(1)'")


def test_the_run_is_steered_by_the_teacher(classes):
    room = classes(lesson="title: t\nscenes: [{title: s, link: '#alpha=1', rounds: 500}]")
    teacher = room.teacher()
    press(teacher, "ArrowRight", "show")
    teacher.wait_for_function("document.querySelector('.room').room.made?.meta?.run")
    teacher.locator("[data-open=room-steer]").click()
    box = teacher.locator("#room-steer [data-name=alpha] .typed")
    box.fill("5")
    box.press("Enter")
    teacher.wait_for_function("document.querySelector('.room').room.made.meta.lanes[0].alpha === 5")


def test_a_room_is_deleted_for_everybody(classes):
    room = classes()
    teacher, student = room.teacher(), room.student("Ada", tolerate=("404",), **PHONE)
    teacher.locator("[data-open=room-settings]").click()
    teacher.locator("#delete").click()
    assert teacher.locator("#delete").inner_text() == "Delete it: press once more"
    teacher.locator("#delete").click()
    teacher.wait_for_function("document.querySelector('#begin-wrong').textContent.includes('deleted')")
    student.wait_for_function("document.querySelector('#join-wrong').textContent.includes('no room')", timeout=40_000)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(classes, dark):
    from axe_playwright_python.sync_playwright import Axe

    room = classes()
    teacher, student = room.teacher(dark=dark), room.student("Ada", dark=dark, **PHONE)

    def look(page):
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], node["target"], node["html"][:150]) for rule in found for node in rule["nodes"]] == []

    look(teacher)
    for _ in range(4):
        teacher.keyboard.press("ArrowRight")
        teacher.wait_for_timeout(700)
        look(teacher)
        look(student)
    teacher.evaluate("location.hash = ''")
    teacher.wait_for_timeout(300)
    look(teacher)
    student.locator("#leave").click()
    look(student)


def test_fingers_hit_what_they_press(classes):
    room = classes()
    teacher, student = room.teacher(), room.student("Ada", **PHONE)
    press(teacher, "ArrowRight", "ask")
    until(student, "ask")
    low = student.evaluate(
        """[...document.querySelectorAll(".room-in button, .ask-option")]
        .filter((e) => e.getClientRects().length && !e.closest(".orw-stage"))
        .map((e) => [e.textContent, e.getBoundingClientRect().height]).filter(([, h]) => h < 43.5)"""
    )
    assert low == []
    assert student.evaluate("document.documentElement.scrollWidth") <= 360
