"""Gets work done: `runner` does one unit of it, `worker` is a process that takes one after the
other, `supervisor` keeps such processes.
"""
