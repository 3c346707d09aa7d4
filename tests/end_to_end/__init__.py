"""The whole system, each part the real one."""
