"""Stories in tests: what a page has of a session's, and a session that repeats it."""

import json
from typing import Any

from orwlab.show.lab.session import Session
from orwlab.show.lab.story import Story


def told(s: Session) -> dict[str, Any]:
    """The story as a page has it."""
    story = json.loads(s.frame()["story"])
    del story["undo"]
    return {**story, "round": s.round}


def again(s: Session, particles: int) -> Session:
    """Another session, which has begun to repeat it."""
    other = Session(particles=particles, name="again")
    other.begin(Story.read(told(s)))
    return other
