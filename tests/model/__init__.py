"""A model, checked: the real sync.js against the real server, through a network and a clock of
the tests' own.
"""
