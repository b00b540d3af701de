"""The figure kit: one style, one save()."""
