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

_NOTES = {
    "theorem_4": "The rows on TV and on samples are about the first refresh as it is. How far the form that the paper "
    "prints is from it, is not 0, and as much as was worked out beforehand.",
    "theorem_4_limit": "Here the paper's form is put to the test, and a claim holds if the form *fails*: it would need "
    "an r^2 of 1 and a positive beta, and we claim that it has not both.",
    "effective_temperature": "Where the tilt is strong, a claim holds if *no* exponential tilt fits.",
    "unbounded": "The first claim is that this run does not settle.",
    "house_of_cards": "Below the threshold the other recursion, over the reference's samples, is expected *not* to "
    "converge, and the method itself to converge.",
    "ladder": "The bound holds at every alpha, and is larger than the distance by many powers of ten: that it says "
    "nothing is what the rows on its decimal digits claim.",
    "supremum": "In the last two rows a bound is worked out badly on purpose: over too few places it falls below what "
    "it ought to bound, over too many it explodes.",
    "pairings": "Two of the four pairings are wrong on purpose, and there the claim is that the reward is lost.",
    "exception": "The claim is that networks do *not* meet the exact limit here.",
}
"""what is claimed of tables whose rows would else read as a contradiction, in Markdown"""
_YES_NO = " (1 = yes)"
"""ends claims whose numbers are answers"""


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
    rows = [_row(claim) for claim in claims_of(name)]
    head = ("claim", "measured", "expected", "holds")
    title = name.replace("_", " ").capitalize()
    note = f"{_NOTES[name]}\n\n" if name in _NOTES else ""
    return f"## {title}\n\n{plain(lead)}\n\n{note}{table(head, rows, numbers=(1, 2))}"


def _row(claim: Claim) -> tuple[str, str, str, str]:
    if claim.says.endswith(_YES_NO):
        measured, expected = ("yes" if value else "no" for value in (claim.measured, claim.limit))
        return plain(claim.says.removesuffix(_YES_NO)), measured, expected, claim.verdict
    return plain(claim.says), f"{claim.measured:.4g}", plain(claim.expected), claim.verdict
