"""The science report: every claim with the number that was recorded, and whether it holds."""

from pathlib import Path
from typing import Any

from orwlab.teach.science import __main__ as science
from orwlab.teach.science.claims import Claim
from orwlab.teach.science.reported import numbers
from pages.words import plain, table

_TOP = """# The science report

{held} of {claims} claims held when they were last measured; {measured} more numbers were measured of which nothing was
expected. `make science` measures all of them again in several minutes, on one thread and seeded, and draws the figures
that are not here. Exact values come from the population dynamics on a grid, all others from samples or networks.

"""


def write(folder: Path) -> list[str]:
    """The page."""
    (folder / "report.md").write_text(page(), encoding="utf-8")
    return ["report"]


def page() -> str:
    """The page in Markdown."""
    claims = [claim for name in science.INVESTIGATIONS for claim in claims_of(name)]
    judged = [claim for claim in claims if claim.kind != "measured"]
    top = _TOP.format(held=sum(claim.holds for claim in judged), claims=len(judged), measured=len(claims) - len(judged))
    return top + "\n\n".join(_section(name) for name in science.INVESTIGATIONS) + "\n"


def claims_of(investigation: str) -> list[Claim]:
    """What was recorded of one investigation."""
    return [_claim(key, said) for key, said in numbers()[investigation].items()]


def _claim(key: str, said: dict[str, Any]) -> Claim:
    return Claim(key, said["says"], said["measured"], said["kind"], said["expected"], said["tolerance"], said["holds"])


def _section(name: str) -> str:
    lead = (science.INVESTIGATIONS[name].__doc__ or "").partition("\n")[0]
    rows = [(plain(c.says), f"{c.measured:.4g}", plain(c.expected), c.verdict) for c in claims_of(name)]
    head = ("claim", "measured", "expected", "holds")
    title = name.replace("_", " ").capitalize()
    return f"## {title}\n\n{plain(lead)}\n\n{table(head, rows, numbers=(1, 2))}"
