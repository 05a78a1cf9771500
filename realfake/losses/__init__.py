"""Losses of the tasks, and how those of several tasks become one."""
