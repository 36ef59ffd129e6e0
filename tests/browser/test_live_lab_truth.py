"""The Live lab's true reward, hidden until somebody reveals it, and its alpha that is steered."""

import pytest
from lab import STAGE, choose, eventually, press, shown, state, typed, unfold, wait

pytestmark = pytest.mark.browser

PLACE = [2.1, 2.1]  # where the bump is best


def open_at(visit, link, round=0, **options):
    page = visit(running=False, query=f"#{link}&round={round}", **options)
    wait(page, f"!meta.replaying && meta.run !== 'first' && round === {round}")
    return page


def told(page) -> dict:
    """What the stage shows of a true reward: its panels, numbers, legend and summary."""
    return page.evaluate(f"""() => {{
        const {{ frame, words }} = {STAGE};
        return {{
            panels: frame.panels.map(({{ title }}) => title), numbers: frame.lanes[0].numbers.map(({{ key }}) => key),
            text: [words.legend, words.numbers.element, words.summary, ...document.querySelectorAll('.orw-head')]
                .map(({{ textContent }}) => textContent).join('|').toLowerCase(),
        }}; }}""")


def ground(page, x: float, y: float) -> list[int]:
    """The colour of the ground at a place of the data, behind the particles."""
    return page.evaluate(
        f"""([x, y]) => {{
            const {{ picture, layout, camera }} = {STAGE}, [plot] = layout.plots, [x0, x1, y0, y1] = camera.now;
            const at = (share, from, length) => Math.round((from + share * length) * picture.ratio);
            const px = at((x - x0) / (x1 - x0), plot.x, plot.w), py = at((y1 - y) / (y1 - y0), plot.y, plot.h);
            return [...picture.behind.getImageData(px, py, 1, 1).data].slice(0, 3); }}""",
        [x, y],
    )


def is_green(color) -> bool:
    red, green, blue = color
    return green > red + 20 and green > blue + 5


def assert_hidden(page) -> None:
    seen = told(page)
    assert "True reward" not in seen["panels"]
    assert "truth" not in seen["numbers"]
    assert "true reward" not in seen["text"]
    assert not is_green(ground(page, *PLACE))


def assert_revealed(page) -> None:
    assert eventually(lambda: is_green(ground(page, *PLACE)))
    seen = told(page)
    assert seen["panels"][:2] == ["Mean reward", "True reward"]
    assert "truth" in seen["numbers"]
    assert seen["text"].count("true reward") >= 3  # legend, number, title


def test_a_true_reward_is_there_and_hidden_until_it_is_revealed(visit):
    page = visit()
    assert not page.locator("#reveal").is_visible()
    before = ground(page, *PLACE)
    unfold(page, "view")
    choose(page, "truth", "bump")
    wait(page, "stage.scene.truth && stage.whole.panels.some((panel) => panel.title === 'True reward')")
    assert page.locator("#reveal").is_visible()
    assert_hidden(page)
    assert ground(page, *PLACE) == before
    press(page, "reveal")
    assert_revealed(page)
    assert page.locator("#reveal").inner_text() == "Hide the true reward"
    assert page.locator("#background input:checked").input_value() == "truth"
    press(page, "reveal")
    assert_hidden(page)
    assert ground(page, *PLACE) == before
    choose(page, "truth", "")
    wait(page, "!stage.scene.truth")
    assert not page.locator("#reveal").is_visible()


@pytest.mark.parametrize("touch", [False, True])
def test_a_teachers_link_hides_what_it_is(visit, touch):
    options = {"width": 390, "height": 800, "has_touch": True, "is_mobile": True} if touch else {}
    page = open_at(visit, "reward=plane&truth=bump&hide=truth", 20, **options)
    assert not page.locator("#truth").is_visible()
    assert_hidden(page)
    button = page.locator("#reveal")
    assert button.bounding_box()["height"] >= 44
    if touch:
        button.tap()
    else:
        button.focus()
        page.keyboard.press("Enter")
    assert_revealed(page)
    value = page.evaluate(f"{STAGE}.frame.panels[1].lines[0].lanes[0].ys.at(-1)")
    assert value == pytest.approx(page.evaluate(f"{STAGE}.arrays.truth.data.at(-1)"))
    parts = {"revealed=1", "background=truth", "hide=truth"}
    assert eventually(lambda: parts <= set(page.evaluate("location.hash.slice(1)").split("&")))


def test_what_is_locked_is_not_revealed(visit):
    page = open_at(visit, "truth=bump&lock=revealed")
    assert page.locator("#reveal").is_disabled()
    assert_hidden(page)


def test_its_curve_and_its_ground_are_of_one_colour(visit):
    page = open_at(visit, "truth=bump&revealed=1&background=truth", 30)
    assert_revealed(page)
    found = page.evaluate(f"""() => {{
        const {{ picture, layout }} = {STAGE}, {{ x, y, w, h }} = layout.panels[1].body, ratio = picture.ratio;
        const {{ data }} = picture.context.getImageData(x * ratio, y * ratio, w * ratio, h * ratio);
        let green = 0, blue = 0;
        for (let i = 0; i < data.length; i += 4) {{
            green += data[i + 1] > data[i] + 60 && data[i + 1] > data[i + 2] + 10;
            blue += data[i + 2] > data[i] + 60 && data[i + 2] > data[i + 1] + 60;
        }}
        return [green, blue]; }}""")
    assert found[0] > 50
    assert found[1] < found[0] / 20  # the edges of letters have any colour


def test_alpha_is_steered_and_its_slider_says_so(visit):
    page = visit()
    unfold(page, "training")
    choose(page, "steer", "w2")
    wait(page, "meta.steering?.alpha > 0")
    slider = page.locator("#alpha .range")
    assert slider.is_disabled()
    assert page.locator("#alpha .typed").is_disabled()
    assert "Steered to a W2 budget of 0.5" in page.locator("#alpha-help").inner_text()
    assert "Steered α" in told(page)["panels"]
    first = typed(page, "alpha")
    assert eventually(lambda: typed(page, "alpha") != first)
    page.keyboard.press("ArrowRight")  # the key of a larger alpha
    press(page, "toggle")
    wait(page, "meta.state === 'paused'")
    page.evaluate("document.querySelector('.lab').lab.line.ask()")  # the answer says where it began
    said = lambda: typed(page, "alpha") == pytest.approx(state(page)["meta"]["alpha"], rel=6e-3)  # noqa: E731
    assert eventually(said), "as many digits as are written"
    now = state(page)["meta"]
    assert now["alpha"] != 1
    assert now["lanes"][0]["label"] == "α steered"
    choose(page, "steer", "")
    wait(page, "meta.steering === null")
    assert eventually(slider.is_enabled)
    stays = lambda: abs(state(page)["meta"]["alpha"] - typed(page, "alpha")) < 1e-9  # noqa: E731
    assert eventually(stays), "where it was steered to"
    assert typed(page, "alpha") == pytest.approx(now["alpha"], rel=6e-3)


def test_a_budget_of_kl_says_why_a_network_has_none(visit):
    page = open_at(visit, "steer=kl")
    assert eventually(lambda: "a network's KL is not measured here" in page.locator("#alpha-help").inner_text())
    assert page.locator("#alpha .range").is_enabled()
    unfold(page, "training")
    assert "a network's KL is not measured here" in page.locator("#steer-help").inner_text()
    page.locator("#mode input[value=exact]").check(force=True)
    wait(page, "meta.steering?.why === ''")
    assert eventually(page.locator("#alpha .range").is_disabled)


def test_it_is_painted_like_any_reward(visit):
    page = open_at(visit, "t=1")
    unfold(page, "view")
    choose(page, "truth", "+paint")
    canvas = page.locator(".own-canvas")
    canvas.wait_for()
    assert page.locator("#own-paint-title").inner_text() == "Paint the true reward"
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 20, steps=4)
    page.mouse.up()
    wait(page, "stage.scene.truth")
    assert shown(page)["truth"].startswith("paint:")
    assert shown(page)["reward"] == "right"
    press(page, "reveal")
    assert eventually(lambda: is_green(ground(page, 2.0, -0.1)))
