"""Finite Markov decision processes, optimality, distances, stability. Never imports torch."""
