"""Figures that rest on theory alone, one module a chapter; those of studies stand with them."""
