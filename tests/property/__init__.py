"""What holds for every history of a table."""
