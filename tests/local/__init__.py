"""The stand-ins, held against what they stand in for."""
