"""The Pocket lab's panel "What the reward could buy": its markup. ``pocket/frontier_panel.js`` brings it to life."""

_DISTANCES = (("kl", "KL"), ("w2", "W₂²"))


def markup() -> str:
    """Folded until somebody opens it: until then nothing of it is worked out."""
    switch = "".join(
        f'<label><input type="radio" name="frontier-distance" value="{value}"{" checked" * (value == "kl")}>'
        f"<span>{name}</span></label>"
        for value, name in _DISTANCES
    )
    return f"""<details class="explorable frontier"><summary>What the reward could buy</summary>
<div class="frontier-board"><div class="frontier-side">
<fieldset><legend>Distance from the reference</legend>{switch}</fieldset>
<p class="frontier-axis">mean reward</p>
<div class="frontier-chart"><svg role="img" aria-label="The frontier is being worked out."></svg></div>
<label class="frontier-slide">Read off at <input type="range" min="0" max="200" value="100"></label>
<p class="frontier-read"></p></div>
<div class="frontier-words">
<ul class="frontier-key"><li class="key-line">the frontier: the most any density can have</li>
<li class="key-now">a lane now, and its way</li>
<li class="key-old" hidden>pale: measured some rounds ago</li>
<li class="key-limit">where it ends, or a perfect network would</li></ul>
<ul class="frontier-lanes"></ul><p class="frontier-state"></p>
<p>A reward can be bought only with distance from the reference. The <b>frontier</b> is the largest mean reward that
<i>any</i> density has at a given distance, whatever made it. How far a dot lies below is what the method gives up.
<b>Gain</b> is reward above the reference's.</p>
<details><summary>What is proved here</summary>
<p><b>KL.</b> For every density <i>q</i> and every τ &gt; 0, E<sub>q</sub> r ≤ (KL(q|p<sub>ref</sub>) + log
E<sub>ref</sub> e<sup>τ r</sup>) / τ: Gibbs's inequality. The tilt p<sub>ref</sub> e<sup>τ r</sup> / Z, and it alone,
has equality. On the grid that is exact: nothing lies above the curve. With α = 0 and unclipped weights round n
<i>is</i> a tilt, p<sub>ref</sub> e<sup>nτ r</sup> / Z: the run walks along the frontier, and never rests.</p>
<p><b>W₂².</b> For every λ &gt; 0, E<sub>q</sub> r ≤ λ W₂²(q, p<sub>ref</sub>) + E<sub>ref</sub> max<sub>y</sub> (r(y)
− λ |y − x|²): the simple half of Kantorovich's duality. Moving each x to the best y has equality. That is proved, and
worked out on the grid, the reward linear between cells and nothing beyond its edge. The W₂² of the <i>dots</i> is read
off 256 points and some per cent off; it is measured every ten rounds and at rest; in between
the dot stays where it was, pale.</p>
<p><b>The coupled cost</b> E|x₁ − y₁|², both flows run from the same noise, is never below W₂², which takes the best
pairing of all: proved. The penalty that training pays is not W₂²; a bound leads from it to the coupled cost.</p>
<p>The limits of ORW-CFM-W2 maximise neither E r − KL / τ nor E r − λ W₂², so they need not lie on either curve. How
near they come is measured, not proved.</p></details></div></div></details>"""
