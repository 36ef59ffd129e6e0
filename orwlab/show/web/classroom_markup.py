"""HTML of the Classroom's pages. Scripts fill them; ``classroom.css`` says what they look like."""

import html
from collections.abc import Mapping

from orwlab.show.classroom import lesson as lessons
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
from orwlab.show.web import bar, classroom_assets, controls, preview


def page(up: str, title: str, body: str, script: str) -> str:
    """A whole page.

    Args:
        up: the way from its address to the app's, "./" or "../".
        title: what it is called.
        body: its HTML.
        script: which of ``classroom_assets.SCRIPTS`` it has.
    """
    style, code = classroom_assets.address("room", "css"), classroom_assets.address(script, "js")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{preview.title(title)}</title><meta name="description" content="{preview.SAYS}">
<link rel="icon" type="image/svg+xml" href="{up}favicon.ico"><link rel="stylesheet" href="{up}{style}">
<script src="{up}{code}" defer></script></head>
<body><main id="lab">{body}</main></body></html>
"""


_NOTICE = '<p class="room-notice" role="status" hidden></p><p class="room-said lab-said" aria-live="assertive"></p>'

_KEYS = {
    "→, Page down": "the next step",
    "←, Page up": "a step back",
    "V": "vote once more",
    "Space, S, R": "the run: play or pause, a round, back to its beginning",
    "J": "how to join, large",
    "H": "everybody plays with this scene, or no longer",
    "L": "links that were sent",
    "O": "points",
    "D": "light or dark",
    "P": "full screen",
    "?": "these keys",
}


def student(up: str, names: Mapping[str, str]) -> str:
    """What phones show: the door, and the room behind it."""
    body = f"""
<div class="lab room student">
  <form id="join" novalidate>
    <h1>Join a class</h1>
    <label for="code">Code</label>
    <input id="code" class="typed" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="12"
      enterkeyhint="next" aria-describedby="join-wrong">
    <label for="name">Name <span class="soft">or leave it empty; others may see it</span></label>
    <input id="name" class="typed" autocomplete="off" spellcheck="false" maxlength="24" enterkeyhint="go">
    <button type="submit" class="primary">Join</button>
    <p class="wrong" id="join-wrong" role="alert"></p>
  </form>
  <div class="room-in" hidden>
    <header class="room-head"><p class="room-lesson"></p><p class="room-who"></p>
      <button type="button" id="leave">Leave</button></header>
    <h1 class="room-title"></h1>
    <p class="room-say"></p>
    <p class="room-step"></p>
    <section class="room-stage" aria-label="Stage" hidden><div class="orw-stage"></div></section>
    <section class="room-ask" aria-label="Your guess" hidden>
      <div class="room-widget"></div>
      <div class="room-sending"><button type="button" class="primary" id="send">Send my guess</button>
      <p class="room-guess" role="status"></p></div>
    </section>
    <section class="room-reveal" aria-label="Guesses and truth" hidden></section>
    <p class="room-points" hidden></p>
    <section class="room-board" aria-label="Points" hidden></section>
    <section class="room-hands" aria-label="Try it out" hidden><div class="orw-stage"></div>
      <div class="room-dial"></div></section>
  </div>
  {_NOTICE}
</div>"""
    return page(up, "Join", body, "student")


def teacher(up: str, names: Mapping[str, str]) -> str:
    """Where a class begins, and the room as the projector shows it."""
    body = f"""
<div class="lab room teacher">
  <div class="room-begin">
    <header>{bar.markup("classroom", names, up)}
    <p class="lead">One run, seen by everybody. Your students predict on their phones, without an account; then all of
    you see what happens, and every guess beside the exact answer.</p></header>
    <p class="wrong" id="begin-wrong" role="alert"></p>
    <section class="your-rooms" aria-labelledby="yours" hidden><h2 id="yours">Your rooms</h2><ul></ul></section>
    <section aria-labelledby="lessons"><h2 id="lessons">Lessons</h2>
    <ul class="lessons">{"".join(_lesson(name, up) for name in lessons.names())}</ul>
    <p><a class="button" href="{up}classroom/write">Write a lesson</a></p></section>
  </div>
  <div class="room-in" hidden>
    <header class="room-head">
      <div class="room-where" role="heading" aria-level="1"><span class="room-lesson"></span>
      <span class="room-number"></span></div>
      <button type="button" class="room-door" data-open="room-join" title="How to join, large (J)">
        <span>Join at <b class="door-address"></b> with the code <b class="door-code"></b></span>
        <img class="door-qr" alt="">
      </button>
    </header>
    <section class="room-stage" aria-label="Stage" hidden><div class="orw-stage"></div></section>
    <section class="room-lobby" aria-label="How to join">
      <img class="door-qr" alt=""><p class="door-line">Scan this, or go to</p><p class="door-address"></p>
      <p class="door-line">and type the code</p><p class="door-code"></p><p class="door-alone" role="note" hidden></p>
    </section>
    <section class="room-panel" aria-label="The lesson">
      <h2 class="room-title"></h2>
      <p class="room-say"></p>
      <div class="room-question" hidden><p class="room-prompt"></p><ol class="room-options" type="A"></ol></div>
      <p class="room-count"><b class="many"></b> <span class="of"></span></p>
      <section class="room-reveal" aria-label="Guesses and truth" hidden></section>
      <section class="room-board" aria-label="Points" hidden></section>
    </section>
    <footer class="room-foot">
      <div class="buttons"><button type="button" data-act="back" title="A step back (←)">Back</button>
      <button type="button" class="primary" id="next" data-act="next" title="The next step (→)"></button></div>
      <div class="buttons room-run"><button type="button" id="toggle" data-run="toggle" title="Space">Play</button>
      <button type="button" data-run="step" title="One round (S)">Step</button>
      <button type="button" data-run="reset" title="The run from its beginning (R)">Reset</button></div>
      <div class="buttons"><button type="button" data-act="again" title="Once more (V)">Vote again</button>
      <button type="button" id="hands" data-act="hands" aria-pressed="false"
        title="Everybody plays with this scene (H)">Hands on</button>
      <button type="button" data-open="room-links" title="Links that were sent (L)">Links
        <span class="links-many"></span></button>
      <button type="button" id="points" data-act="points" aria-pressed="false" title="Show them (O)">Points</button>
      <button type="button" data-open="room-steer" title="Drag α and τ under way">Steer</button>
      <button type="button" data-open="room-settings" title="Results, theme, the end">Room</button></div>
    </footer>
    <dialog id="room-join" aria-labelledby="join-title"><h2 id="join-title">Join</h2>
      <div class="join-large"><img class="door-qr" alt=""><div><p class="door-line">Go to</p>
      <p class="door-address"></p>
      <p class="door-line">and type</p><p class="door-code"></p></div></div>
      <p class="door-alone" role="note" hidden></p>
      <form class="door-form"><label for="door">Address that phones are sent to</label>
      <input id="door" class="typed" spellcheck="false" autocomplete="off"><button type="submit">Use it</button>
      <p class="wrong" role="alert"></p></form>{_CLOSE}</dialog>
    <dialog id="room-links" aria-labelledby="links-title"><h2 id="links-title">Links from the class</h2>
      <p class="links-none">Nobody has sent one yet. They can, while they play.</p><ul class="links"></ul>
      <form class="link-form"><label for="own-link">A link of the Live lab</label>
      <input id="own-link" class="typed" spellcheck="false" autocomplete="off" placeholder="#alpha=0.3">
      <button type="submit" value="show">Show it</button>
      <button type="submit" value="hands">Send it to everybody</button>
      <p class="wrong" role="alert"></p></form>{_CLOSE}</dialog>
    <dialog id="room-steer" aria-labelledby="steer-title"><h2 id="steer-title">Steer the run</h2>
      {_steered()}{_CLOSE}</dialog>
    <dialog id="room-settings" aria-labelledby="settings-title"><h2 id="settings-title">This room</h2>
      <div class="buttons"><button type="button" id="results">Results as CSV</button>
      <button type="button" id="secret">Copy the teacher's link</button>
      <button type="button" id="theme">Light or dark</button><button type="button" id="full">Full screen</button></div>
      <p class="room-told" role="status"></p>
      <p class="room-alone">The teacher's link opens this room on another computer. Who has it is the teacher: show it
      to nobody.</p>
      <div class="buttons"><button type="button" id="elsewhere">Leave the room open, and go</button>
      <button type="button" id="delete">Delete the room and all answers</button></div>{_CLOSE}</dialog>
    <dialog id="room-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{_keys()}</dl>{_CLOSE}</dialog>
  </div>
  {_NOTICE}
</div>"""
    return page(up, "Classroom", body, "teacher")


_CLOSE = '<form method="dialog" class="close"><button autofocus>Close</button></form>'


def _lesson(name: str, up: str) -> str:
    """A lesson on the list; ``up`` is the way from its page's address to the app's."""
    lesson = lessons.read(lessons.text_of(name))
    asked = sum(scene.ask is not None for scene in lesson.scenes)
    return f"""<li><h3>{html.escape(lesson.title)}</h3><p>{html.escape(lesson.about)}</p>
{f"<details><summary>For the teacher</summary>{html.escape(lesson.notes)}</details>" if lesson.notes else ""}
<p class="soft">{lesson.minutes} minutes, {len(lesson.scenes)} scenes, {asked} questions</p>
<div class="buttons"><button type="button" class="primary" data-lesson="{name}">Open a room</button>
<a class="button" href="{up}classroom/handout?lesson={name}">Handout</a>
<a class="button" href="{up}classroom/write?lesson={name}">Edit a copy</a></div></li>"""


def _steered() -> str:
    default = Settings()
    return "".join(controls.markup(BY_NAME[name], getattr(default, name)) for name in ("alpha", "tau"))


def _keys() -> str:
    return "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
