"""Pictures without what gives an answer away: the exact limits, the true reward, and what banners make of it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from orwlab.show.stage import frames
from orwlab.show.stage.readouts import NOTHING

_TRUE = ("truth", "rounds of truth")


def veiled(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts of a picture as a class sees them before the answer: no dashed line, no contour, no number of what is
    exact, nothing of a true reward, and no warning. Densities that are themselves on show stay.
    """
    mode = ""

    def cover(meta: dict[str, Any]) -> None:
        nonlocal mode
        mode = meta.get("mode", "")
        meta["curves"] = [{**curve, "exact": None} for curve in meta.get("curves", []) if curve["series"] != "truth"]
        for lane in meta.get("lanes", []):
            lane["limit"] = None
            if (lane.get("banner") or {}).get("kind") != "stopped":  # "It has collapsed" is an answer, too
                lane["banner"] = None
            lane["numbers"] = [{**one, "exact": None} for one in lane.get("numbers", []) if one["key"] != "truth"]
        if meta.get("race"):  # as long as they are not known it looks the same
            meta["race"] |= {"frontiers": {"kl": [], "w2": []}, "goals": [None] * len(meta["race"]["goals"])}

    shown = dict(parts)
    if shown.get("frame"):
        shown["frame"] = frames.amended(shown["frame"], cover, ("mode_mass_exact", *_TRUE))
    if shown.get("exact") and mode != "exact":
        shown["exact"] = ""
    if shown.get("scene"):
        shown["scene"] = frames.amended(shown["scene"], lambda meta: None, ("truth",))
    return shown


def at_end(parts: Mapping[str, str], rounds: int) -> bool:
    """Whether a picture is of a run that has done so many rounds, with its curves read to the end, or cannot go on."""
    if not parts.get("frame"):
        return False
    meta, arrays = frames.decode(parts["frame"])
    return not meta["replaying"] and (meta["state"] == "stopped" or bool((arrays["rounds"] >= rounds).any()))


def end_of(parts: Mapping[str, str]) -> dict[str, Any]:
    """``{"rounds", "values"}`` of a picture, as ``predictions.of_the_run`` has it: of its panels name -> lanes."""
    meta, arrays = frames.decode(parts["frame"])
    values: dict[str, list[list[float]]] = {}
    for curve in meta.get("curves", []):
        for name in [curve["series"]] if isinstance(curve["series"], str) else curve["series"]:
            if f"rounds of {name}" in arrays:  # from later on: it has no place on the axis of all
                continue
            rows = arrays[name].reshape(-1, arrays[name].shape[-1]).tolist()
            values[name] = [[_unlogged(y) for y in row] for row in rows] if curve.get("log") else rows
    shares = [one["value"] for lane in meta.get("lanes", []) for one in lane["numbers"] if one["key"] == "ess"]
    if shares and len(shares) == len(meta["lanes"]):
        values["effective"] = [[float(share.removesuffix("%")) / 100] for share in shares]  # it has no panel
    return {"rounds": np.asarray(arrays["rounds"]).tolist(), "values": values}


def _unlogged(y: float) -> float:
    return 0.0 if y <= NOTHING + 1 else math.pow(10.0, y)
