"""The science report: every claim the project makes, measured again, with number, tolerance and verdict.

``make science`` prints the table and writes one HTML page with the figures. ``reported(section, key)`` is the number
that a claim had when the report was last recorded.
"""

from orwlab.teach.science.reported import reported

__all__ = ["reported"]
