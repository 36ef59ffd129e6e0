"""The exact dynamics, by the name that notebooks use: see ``exact.dynamics``."""

from orwlab.exact.dynamics import OracleWarning, PopulationDynamics

__all__ = ["OracleWarning", "PopulationDynamics"]
