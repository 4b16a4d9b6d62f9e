"""A night as pages for a browser: its candidates in a table, with their stamps, scores, flags and labels."""

from __future__ import annotations

from space2vec.report.night import NightProblem, NightReport, write_report

__all__ = ["NightProblem", "NightReport", "write_report"]
