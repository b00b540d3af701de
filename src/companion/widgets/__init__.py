"""Explorers that compute in the browser."""
