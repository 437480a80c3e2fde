"""Command groups of `abdm-adapter`, one module a group; `adapter/cli.py` puts them together.

Edges: they parse arguments and standard input, call what does the work and print. No rule of the
protocol is decided here.
"""
