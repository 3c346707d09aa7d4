"""The proof that the module does what it says."""
