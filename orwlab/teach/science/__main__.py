"""``python -m orwlab.teach.science [--folder DIR] [--only WORD ...] [--record]``: measure every claim, write the report."""

import argparse
import html
import sys
import time
from pathlib import Path

import plotly.graph_objects as go
import torch
from plotly.offline import get_plotlyjs
from tqdm import tqdm

from orwlab.teach.science import bounds, limits, method, networks, theorems
from orwlab.teach.science.claims import Investigation, Section
from orwlab.teach.science.reported import record

INVESTIGATIONS: dict[str, Investigation] = {
    "theorem_1": theorems.theorem_1,
    "theorem_2": theorems.theorem_2,
    "theorem_4": theorems.theorem_4,
    "theorem_4_limit": method.theorem_4_limit,
    "convergence": limits.convergence,
    "effective_temperature": limits.effective_temperature,
    "unbounded": limits.unbounded,
    "house_of_cards": limits.house_of_cards,
    "three_optima": limits.three_optima,
    "ladder": bounds.ladder,
    "penalty": bounds.penalty,
    "supremum": bounds.supremum,
    "pairings": networks.pairings,
    "widths": networks.widths,
    "averaging": method.averaging,
    "exception": method.exception,
    "learned": networks.learned_and_exact,
}

STYLE = """
body { font: 17px/1.5 "DejaVu Sans", Verdana, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2430 }
h2 { margin-top: 2.5rem } table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .6rem;
border-bottom: 1px solid #e3e6eb } td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } .yes { color: #00704f }
.no { color: #b23c00; font-weight: bold } figure { margin: 1.5rem 0; overflow-x: auto } .lead { color: #414d5e }
"""


def text_table(section: Section) -> str:
    """The section's claims as aligned lines for a terminal."""
    lines = [f"\n{section.title}"]
    for claim in section.claims:
        lines.append(f"  {claim.says[:74]:74} {claim.measured:>11.4g}  {claim.expected:>20}  {claim.verdict}")
    return "\n".join(lines)


def html_section(section: Section) -> str:
    """One section: what it asks, its claims, its figures."""
    rows = "".join(
        f"<tr><td>{html.escape(c.says)}</td><td class=n>{c.measured:.4g}</td><td class=n>{html.escape(c.expected)}</td>"
        f"<td class={'yes' if c.holds else 'no'}>{c.verdict}</td></tr>"
        for c in section.claims
    )
    drawn = "".join(
        f'<figure role="img" aria-label="{html.escape(text, quote=True)}">{_draw(figure)}</figure>'
        for text, figure in section.figures
    )
    head = "<tr><th>claim</th><th>measured</th><th>expected</th><th>holds</th></tr>"
    return (
        f"<h2>{html.escape(section.title)}</h2><p class=lead>{html.escape(section.lead)}</p>"
        f"<table>{head}{rows}</table>{drawn}"
    )


def _draw(figure: go.Figure) -> str:
    return figure.to_html(full_html=False, include_plotlyjs=False)


def page(sections: list[Section], seconds: float) -> str:
    """The whole report; plotly is inside the file, so that it opens without a network."""
    claims = [c for s in sections for c in s.claims if c.kind != "measured"]
    held = sum(c.holds for c in claims)
    body = "".join(html_section(s) for s in sections)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>orwlab: the science report</title><style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<h1>The science report</h1><p class=lead>{held} of {len(claims)} claims hold. Measured in {seconds:.0f} s on one "
        "thread; everything is seeded. Exact values come from the population dynamics on a grid, all others from "
        f"samples or networks.</p>{body}</html>"
    )


def main(arguments: list[str] | None = None, program: str = "python -m orwlab.teach.science") -> int:
    """Run, print and write; the exit status is 1 if a claim does not hold. ``program`` is what help calls it."""
    parser = argparse.ArgumentParser(prog=program, description="Measure every claim again.")
    parser.add_argument("--folder", type=Path, default=Path("science"), help="where report.html goes")
    parser.add_argument("--only", nargs="+", choices=list(INVESTIGATIONS), help="some investigations alone")
    parser.add_argument("--record", action="store_true", help="keep the numbers in the package (reported.json)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.perf_counter()
    found: dict[str, Section] = {}
    bar = tqdm(options.only or list(INVESTIGATIONS), desc="science")
    for name in bar:
        bar.set_description(name)
        found[name] = INVESTIGATIONS[name]()
        tqdm.write(text_table(found[name]))
    if options.record:
        record(found)
    options.folder.mkdir(parents=True, exist_ok=True)
    report = options.folder / "report.html"
    report.write_text(page(list(found.values()), time.perf_counter() - started))
    claims = [c for s in found.values() for c in s.claims if c.kind != "measured"]
    failed = [c for s in found.values() for c in s.claims if not c.holds]
    print(f"\n{len(claims) - len(failed)} claims hold, {len(failed)} do not. Wrote {report}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
