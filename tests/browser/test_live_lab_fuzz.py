"""Hands that do anything at all to the Live lab: it goes on, and what it cannot do it says plainly."""

import random
import re
import time

import pytest
from lab import enter, eventually, press, shown, state, unfold, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NUMBERS = ["0", "-1", "1e-9", "0.01", "1", "3.7", "100", "1e6", "", "nan", "1e999", "0x10", "−2", "0,5"]
BUTTONS = ["toggle", "step", "reset", "undo", "demo"]
CHANCES = {"slider": 5, "number": 3, "choice": 3, "radios": 2, "switch": 2, "several": 2, "button": 4, "key": 2}


def act(page, kind: str, names: dict[str, list[str]], dice: random.Random) -> str:
    """Do one thing; returns what it was."""
    if kind == "button":
        name = dice.choice(BUTTONS)
        page.evaluate("name => document.getElementById(name).click()", name)  # nothing to undo: then it does nothing
        return name
    if kind == "key":
        key = dice.choice(
            ["Space", "s", "r", "z", "e", "t", "w", "1", "3", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]
        )
        page.evaluate("document.activeElement?.blur()")
        page.keyboard.press(key)
        return key
    name = dice.choice(names[kind])
    if kind in ("slider", "number") and dice.random() < 0.4:
        text = dice.choice(NUMBERS)
        enter(page, name, text)
        return f"{name} typed {text!r}"
    if kind == "number":
        text = str(dice.randint(0, 40))
        enter(page, name, text)
        return f"{name} {text}"
    chance = dice.random()
    return page.evaluate(
        """([kind, name, s]) => {
            const el = document.querySelector(`[data-name="${name}"]`);
            const fire = (node, type) => node.dispatchEvent(new Event(type, {bubbles: true}));
            if (kind === 'slider') {
                const range = el.querySelector('.range');
                for (const part of [0, 1, s < 0.2 ? 0 : s > 0.8 ? 1 : s]) {
                    range.value = Math.round(part * range.max);
                    fire(range, 'input');
                }
                return `${name} ${el.querySelector('.typed').value}`;
            }
            const options = [...el.querySelectorAll(kind === 'choice' ? 'option' : 'input:not(.typed):not(.range)')];
            const one = options[Math.floor(s * options.length)];
            if (kind === 'choice') { one.parentElement.value = one.value; fire(one.parentElement, 'change'); }
            else one.click();
            return `${name} ${one.value}`;
        }""",
        [kind, name, chance],
    )


@pytest.fixture(scope="module")
def demo(one_page):
    """What the controls say on a fresh page."""
    return shown(one_page[1])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_hands_do_it_goes_on(lab_page, demo, seed):
    page, dice = lab_page, random.Random(seed)
    unfold(page)
    names: dict[str, list[str]] = page.evaluate("""() => {
        const found = {};
        for (const el of document.querySelectorAll('.lab [data-kind][data-name]')) {
            const seen = el.getClientRects().length > 0;
            if (seen && !el.parentElement.closest('[data-kind]')) (found[el.dataset.kind] ??= []).push(el.dataset.name);
        }
        return found; }""")
    kinds = list(CHANCES)
    done = []
    for _ in range(12):
        done.append(act(page, dice.choices(kinds, [CHANCES[kind] for kind in kinds])[0], names, dice))
        time.sleep(dice.choice([0, 0, 0.05, 0.3]))
    print(done)
    for words in page.locator(".lab .wrong > .help").all_inner_texts():
        assert "allowed" in words
    assert_plain(page)
    seen = state(page)
    assert seen["counters"]["errors"] == 0
    # the controls still act: the demo comes back, at rest, and moves
    press(page, "demo")
    time.sleep(1)  # what was done last may only now be seen, and looks the same
    demo_at_rest = "meta.state === 'paused' && round === 0 && !meta.replaying"
    wait(
        page, f"meta.lanes.length === 1 && meta.lanes[0].alpha === 1 && meta.mode === 'learned' && {demo_at_rest}", 120
    )
    press(page, "toggle")
    wait(page, "meta.state === 'running' && round > 2", 120)
    eventually(lambda: shown(page) == demo)
    assert shown(page) == demo


def assert_plain(page) -> None:
    """No traces, no error toasts, on the page or on the stage."""
    assert page.locator(".toast-body.error").count() == 0
    text = page.locator("body").inner_text()
    assert not re.search(r"Traceback|TypeError|undefined|NaN|\[object", text)
