"""What tests do on the Live lab's page, and what they read from it."""

import json
import time
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, TimeoutError

STAGE = "document.querySelector('.orw-stage').stage"
RELOADED = ("AbortError", "Connection errored out")  # Gradio's own words when a page with a stream is loaded again


def state(page: Page) -> dict[str, Any]:
    """What the stage shows: the frame's header, its counters and the particles as drawn."""
    text = page.evaluate(f"""() => {{ const s = {STAGE};
        return JSON.stringify({{meta: s.meta, counters: s.counters, positions: Array.from(s.positions)}}); }}""")
    found = json.loads(text)
    return {**found, "positions": np.array(found["positions"]).reshape(-1, 2)}


def wait(page: Page, condition: str, timeout: float = 90) -> None:
    """Until ``condition``, in terms of ``meta``, ``counters``, ``stage`` and ``round``, holds."""
    test = (
        "() => { const stage = document.querySelector('.orw-stage')?.stage; if (!stage?.meta) return false; "
        f"const {{meta, counters}} = stage, round = meta.lanes?.[0]?.round; return {condition}; }}"
    )
    try:
        page.wait_for_function(test, timeout=1000 * timeout)
    except TimeoutError:
        seen = state(page)
        pytest.fail(f"not within {timeout} s: {condition}; the stage shows {seen['meta']}, {seen['counters']}")


def eventually(holds: Any, timeout: float = 30) -> bool:
    """Whether ``holds()`` becomes true in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())


def round_of(page: Page, lane: int = 0) -> int:
    return state(page)["meta"]["lanes"][lane]["round"]


def reward(page: Page, lane: int = 0) -> float:
    """Mean reward as the stage writes it."""
    return float(state(page)["meta"]["curves"][0]["values"][lane].replace("−", "-"))


def in_force(page: Page, name: str) -> Any:
    """What the server says to have in force: the story of the pictures."""
    return json.loads(page.evaluate(f"{STAGE}.story ?? '{{}}'")).get("scene", {}).get(name)


def press(page: Page, name: str) -> None:
    page.locator(f"#{name}").click()


def unfold(page: Page, *groups: str) -> None:
    for name in groups or ("compare-alphas", "training", "view"):
        page.evaluate(f"document.querySelector('#group-{name}').open = true")


def drag(page: Page, name: str, value: float) -> None:
    """Put a slider's handle where it says ``value``, by the events that dragging it across makes."""
    page.evaluate(
        """([name, value]) => {
            const range = document.querySelector(`#${name} .range`), typed = document.querySelector(`#${name} .typed`);
            const move = (p) => { range.value = p; range.dispatchEvent(new Event('input', {bubbles: true})); };
            let best = 0, off = Infinity;
            for (let p = 0; p <= Number(range.max); p++) {
                move(p);
                const now = Math.abs(Number(typed.value) - value);
                if (now < off) [best, off] = [p, now];
            }
            move(best);
        }""",
        [name, value],
    )
    assert typed(page, name) == pytest.approx(value)


def typed(page: Page, name: str) -> float:
    """The number in a control's box."""
    return float(page.locator(f"#{name} .typed").input_value().replace("−", "-"))


def enter(page: Page, name: str, text: str) -> None:
    """Type into a control's box."""
    box = page.locator(f"#{name} .typed")
    box.fill(text)
    box.press("Enter")


def choose(page: Page, name: str, option: str) -> None:
    page.locator(f"#{name} select").select_option(option)


def pick(page: Page, name: str, option: str) -> None:
    page.locator(f"#{name} input[value={option}]").check(force=True)


def shown(page: Page) -> dict[str, Any]:
    """What every control of the page says."""
    return page.evaluate("""() => {
        const of = (el) => ({
            slider: () => el.querySelector('.typed').value, number: () => el.querySelector('.typed').value,
            choice: () => el.querySelector('select').value, switch: () => el.querySelector('input').checked,
            radios: () => el.querySelector('input:checked').value,
            several: () => [...el.querySelectorAll('.row')].map((row) =>
                row.querySelector('[type=checkbox]').checked ? row.querySelector('.typed').value : null),
            lineup: () => [...el.querySelectorAll('input:checked')].map(({value}) => value),
        })[el.dataset.kind]();
        return Object.fromEntries([...document.querySelectorAll('.lab [data-kind][data-name]')]
            .filter((el) => !el.parentElement.closest('[data-kind]')).map((el) => [el.dataset.name, of(el)]));
    }""")


def ticks(page: Page) -> list[dict[str, Any]]:
    """Of every slider that one sees: the words below it, how many there could be, and the least gap between two."""
    return page.evaluate("""() => {
        const rows = [...document.querySelectorAll('.ticks')].filter((one) => one.clientWidth > 1);
        return rows.map((one) => {
            const marks = [...one.children];
            const seen = marks.filter((mark) => getComputedStyle(mark).visibility !== 'hidden');
            const boxes = seen.map((mark) => mark.getBoundingClientRect());
            const gaps = boxes.slice(1).map((box, k) => box.left - boxes[k].right);
            return { words: seen.map((mark) => mark.textContent), of: marks.length, gap: Math.min(1000, ...gaps) };
        });
    }""")
