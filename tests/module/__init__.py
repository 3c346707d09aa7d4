"""The module, as a caller sees it."""
