"""Images: fine-tuning on digits and photographs, watched from fixed noise and steered while it runs."""

from orwlab.show.web import album, images_markup

_EXPLANATION = r"""
A flow model turns noise $x_0$ into an image $x_1$. Every grid is made from **the same noise**: images in the same place
of two grids differ only by what the model has learned since. In every round the model draws images of its own, weighs
them by the reward, and imitates them; $\alpha$ holds its velocity to the reference's:

$$
\mathcal{L}(\theta) = \mathbb{E}\big[\, w(x_1)\,\|v_\theta(t, x_t) - u_t\|^2
+ \alpha\,\|v_\theta(t, x_t) - v_{\text{ref}}(t, x_t)\|^2 \,\big],
\qquad w(x_1) = e^{\tau\, r(x_1)} \,/\, \text{mean}
$$

**Proxy and judge.** The reward is a *proxy* of what one wants: for digits a small classifier's probability of a wanted
one, for photographs the size of a JPEG file. What is optimised is no longer a measure. So a *judge* looks at the same
images: another network that was trained on other real digits; for photographs precision and coverage against real ones.
No gradient and no selection ever sees it. Where the solid and the dashed line part, the proxy is being exploited. The
judge of the digits is a network too, and may be fooled along with the classifier: then only the distance to real digits
tells, "unlike any digit".

**What is proved.** Without $\alpha$, and if every round learned its weighted images perfectly, the images after $N$
rounds would have density $\propto w(x_1)^N q_0(x_1)$: all of it ends where the reward is largest (Theorem 2 of the
paper). A large $\alpha$ gives the reference back: that is proved of the velocity that one round learns.

**What is measured.** That the classifier can be fooled, and how large an $\alpha$ prevents it, no theorem says.
@measured@

**What you see is the running average** of the model's weights, which wanders less than the newest ones. Numbers of
digits are read off @digits@ images of which the grid shows the first @shown@; of photographs off @photographs@. So few
images make coverage and precision rough: compare lanes, which share their noise, and not single digits of a number.

**Where the α of a suggestion comes from.** It takes the limit for an exponential tilt of the reference. Measured on
exact limits of six targets and rewards, that gives between 0.7 and 6 times the $\alpha$ that
is needed; on the kept runs of digits 3 to 11 times, on those of photographs 1.2 to 4. What a run has shown at another
$\alpha$ corrects it.
"""


def explanation() -> str:
    """Markdown with formulas; its numbers are those of the results that are kept."""
    from orwlab.show.lab.exhibits import DigitsExhibit, PhotographsExhibit

    numbers = {"digits": DigitsExhibit.judged, "shown": DigitsExhibit.shown, "photographs": PhotographsExhibit.judged}
    text = _EXPLANATION.replace("@measured@", album.measured(_KEPT))
    for name, number in numbers.items():
        text = text.replace(f"@{name}@", str(number))
    return text


_OF_PHOTOGRAPHS = {"bytes": "bytes", "precision": "precision", "coverage": "coverage", "diversity": "diversity"}
_KEPT = {
    "digits": (
        "Even digits wanted",
        {"reward": "reward", "judge": "judge", "off_data": "unlike any digit", "smallest": "rarest wanted"},
    ),
    "photographs": ("Photographs in small files", _OF_PHOTOGRAPHS),
    "photographs_long": ("The same runs at two α, longer", _OF_PHOTOGRAPHS),
}

PAGE = album.AlbumPage("images", "Images", images_markup.markup, explanation, "ImagesPage", ("images.js",))
