"""From text notebooks to the book: execution, cache, Colab edition, site."""
