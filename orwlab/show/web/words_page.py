"""Words: a model that is told a sentence, fine-tuned to draw what it says, and judged word by word."""

from orwlab.show.web import album, words_markup

_EXPLANATION = r"""
A flow model turns noise $x_0$ into a picture $x_1$, and is told a sentence $c$ on the way: $v_\theta(t, x, c)$. Every
grid is made from **the same noise**. In every round the model draws pictures of its own, weighs those of a sentence
against one another by the reward, and imitates them; $\alpha$ holds its velocity to the reference's:

$$
\mathcal{L}(\theta) = \mathbb{E}\big[\, w(x_1 \mid c)\,\|v_\theta(t, x_t, c) - u_t\|^2
+ \alpha\,\|v_\theta(t, x_t, c) - v_{\text{ref}}(t, x_t, c)\|^2 \,\big],
\qquad w(x_1 \mid c) = e^{\tau\, r(x_1, c)} \,/\, \text{mean over the pictures of } c
$$

**The CLIP score** is the reward $r(x_1, c)$. Two networks, one that looks at pictures and one that reads sentences,
were trained so that a picture and a sentence that is true of it point the same way. The score is the cosine of the two
directions, from −1 to 1. This one is tiny, and knows only the small world of these pictures.

**Proxy and judges.** What one wants are pictures of which every word is true; the score is a *proxy* of that. Two
judges that nothing is optimised for look at the same pictures. One is another CLIP, trained on other people's
handwriting from another start. The other asks the pixels themselves: how many things there are, of which colour, how
much ink a digit has, how far it leans, where it stands; only which digit it is a classifier has to say. A score that
rises where the judges do not is being exploited.

**Weights have mean one within each sentence.** A sentence that is easy to draw has high scores whatever the model does.
If pictures of all sentences were weighed against one another, the high-scoring ones would be learned most and the
others least (expected). Weighed among themselves, each sentence counts as much as any other, and the model keeps
drawing all of them.

**Guidance is not fine-tuning.** It draws with

$$
v(t, x, \emptyset) + s\,\big(v(t, x, c) - v(t, x, \emptyset)\big),
$$

away from what the network does without a sentence. At $s = 1$ that is the network itself. Nothing is learned, no reward
is asked, and every picture costs twice the time, for ever. It exaggerates what the network takes the words to mean,
right or wrong. Fine-tuning changes the network by what a reward says, and draws at the old price. Here only the
reference is guided; the other grids never are.

**One sentence or a set.** A run on *this sentence* learns from it alone. A run on *the set* learns from hard sentences
in turn, and the box only says what is drawn: sentences that were never learned show whether something about words was
learned, or only about sentences.

**Unknown words.** The model knows the words of the list and no others; any sentence with another word is refused, and
the nearest word that there is is named.

**What is measured.** No theorem says how large an $\alpha$ keeps the words true. The kept runs, on the set:

@measured@

**What you see is the running average** of the model's weights. Numbers are read off @judged@ pictures, of which the
grid shows the first @shown@: a share of 0.5 is uncertain by about 0.06. Compare lanes, which share their noise.
Diversity is the mean distance between pictures of the sentence, divided by that of the reference without guidance.
"""


def explanation() -> str:
    """Markdown with formulas; its numbers are those of the results that are kept."""
    from orwlab.show.lab.exhibits import WordsExhibit

    text = _EXPLANATION.replace("@measured@", album.measured(_KEPT))
    return text.replace("@judged@", str(WordsExhibit.judged)).replace("@shown@", str(WordsExhibit.shown))


_COLUMNS = {
    "reward": "CLIP score",
    "judge": "judge’s score",
    "true": "all words true",
    "diversity": "diversity",
    "new_true": "all words true, sentences never learned",
}
_KEPT = {
    "words": ("ORW-CFM-W2", _COLUMNS),
    "words_raft": ("RAFT: the best of each sentence alone", _COLUMNS),
    "words_reft": ("ReFT: those above a threshold", _COLUMNS),
    "words_kl": ("Held by KL in place of W2", _COLUMNS),
}

PAGE = album.AlbumPage(
    "words", "Words", words_markup.markup, explanation, "WordsPage", ("words.js",), styles=("words.css",)
)
