"""What the handler costs, measured beside the handler that it began as and the one that a careful engineer writes."""
