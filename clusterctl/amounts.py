"""Amounts of resources as text, for people and for Mesos."""

from __future__ import annotations


def amount(value: float) -> str:
    """``1048576.0`` -> ``1048576``, ``0.50`` -> ``0.5``: no exponent, at most three decimals, as Mesos keeps scalars
    (documentation: attributes and resources). ``:g`` would turn a terabyte's MiB into ``1.04858e+06``.
    """
    return f"{value:.3f}".rstrip("0").rstrip(".")
