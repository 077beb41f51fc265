"""The conformance plugin in Python: what every language's guest offers, so that one list of cases runs through all.

Functions stand in `functions`, transforms that hand rows on in `passing`, those that change their number or keep
state in `making`, those that go wrong in `failing`, what only benchmarks use in `measured`.
"""

from . import failing, functions, making, measured, passing

__all__ = ["failing", "functions", "making", "measured", "passing"]
