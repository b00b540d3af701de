"""A reproducible companion to *The Policy Cliff* (Xu, arXiv:2507.20150)."""

from importlib.metadata import version

__version__ = version("policy-cliff-companion")
