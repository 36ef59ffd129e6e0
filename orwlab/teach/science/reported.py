"""The numbers of the science report, kept in the package: one source for what notebooks compare themselves with.

``python -m orwlab.teach.science --record`` measures and writes them; tests measure some of them again.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from orwlab import checks
from orwlab.teach.science.claims import Section

FILE = Path(__file__).with_name("reported.json")
DIGITS = 4


def reported(section: str, key: str, which: str = "measured") -> float:
    """A number of the report: what one claim measured, or what it expected.

    Args:
        section: the investigation, such as "convergence".
        key: of the claim in it, such as "weak_rate_alpha_1".
        which: "measured"; or "expected", the prediction or the limit that the claim was held against.

    Raises:
        ValueError: no such section or claim, or a measurement of which nothing was expected; the message names those
            there are.
    """
    claims = numbers()[checks.choice("section", section, numbers())]
    claim = claims[checks.choice("key", key, claims)]
    value = claim[checks.choice("which", which, ("measured", "expected"))]
    if value is None:
        raise checks.fail("which", which, f"'measured': nothing was expected of {key!r}")
    return float(value)


@cache
def numbers() -> dict[str, dict[str, dict[str, Any]]]:
    """All of them: section -> key -> says, measured, kind, expected, tolerance, holds, seed."""
    return json.loads(FILE.read_text())


def record(sections: dict[str, Section], file: Path = FILE) -> None:
    """Write ``sections`` into ``file``, rounded; other sections already there stay as they are."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    for name, section in sections.items():
        kept[name] = {
            claim.key: {
                "says": claim.says,
                "measured": _rounded(claim.measured),
                "kind": claim.kind,
                "expected": None if claim.limit is None else _rounded(claim.limit),
                "tolerance": claim.tolerance,
                "holds": claim.holds,
                "seed": section.seed,
            }
            for claim in section.claims
        }
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    numbers.cache_clear()


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
