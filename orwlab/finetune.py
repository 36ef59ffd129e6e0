"""Reward-weighted fine-tuning, by the name that notebooks use: see ``methods.orw``."""

from orwlab.methods.orw import Diverged, FineTuning, Snapshot

__all__ = ["Diverged", "FineTuning", "Snapshot"]
