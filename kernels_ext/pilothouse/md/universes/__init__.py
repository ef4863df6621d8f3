"""Universes on their way to a node: recipes, and the files that they name."""
