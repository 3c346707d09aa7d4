"""The handler's steps, one by one."""
