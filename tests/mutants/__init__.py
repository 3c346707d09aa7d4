"""Mutants of the handler: changes made to its code, each of which a unit test should notice."""
