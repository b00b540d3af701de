"""From text notebooks to the book: execution, its cache, the Colab edition and the site.

Notebooks are files to this package; it never imports what is in them.
"""
