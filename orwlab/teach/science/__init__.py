"""The science report: every claim the project makes, measured again, with number, tolerance and verdict.

``make science`` prints the table and writes one HTML page with the figures.
"""
