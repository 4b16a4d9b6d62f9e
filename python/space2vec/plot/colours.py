"""Colours that people with any colour vision can tell apart (Okabe & Ito)."""

__all__ = ["COLOURS"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
