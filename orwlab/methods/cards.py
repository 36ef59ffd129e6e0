"""What a method says of itself, on one card: the loss, where it was read, what it needs, and where it goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A method in a few lines. ``str(card)`` prints it."""

    name: str
    """as ``methods.get`` takes it"""
    title: str
    """as people call it, such as "RAFT, the best of K" """
    formula: str
    """the loss or the update, in LaTeX"""
    source: str
    """who wrote it, and the arXiv number"""
    read: str
    """how far the formula was checked against that source"""
    idea: str
    """one sentence, without symbols"""
    dial: str
    """what ``strength`` sets"""
    goes_to: str
    """what rounds without end lead to, and whether that is proved, measured or expected"""
    settles: bool
    """whether it stays there, with a model that still spreads; else it goes on to the best point it can find"""
    gradient: bool = False
    """whether it needs the reward's gradient"""
    steps: bool = False
    """whether it needs the likelihood of a sampler's steps, and so a sampler that draws noise on the way"""
    online: bool = True
    """whether it learns from its own samples"""

    @property
    def short(self) -> str:
        """The title's first words, where there is little room."""
        return self.title.partition(",")[0]

    @property
    def needs(self) -> str:
        """What it needs of the reward and of the sampler, in words."""
        of_reward = "the reward's gradient" if self.gradient else "the reward's values"
        of_sampler = ", the likelihood of noisy steps" if self.steps else ""
        return f"{of_reward}{of_sampler}" + ("" if self.online else ", a fixed set of samples")

    def __str__(self) -> str:
        rows = {
            "loss": f"${self.formula}$", "idea": self.idea, "needs": self.needs, "strength": self.dial,
            "goes to": self.goes_to, "source": self.source, "read": self.read,
        }  # fmt: skip
        return "\n".join([self.title, *(f"  {name:<9} {text}" for name, text in rows.items())])
