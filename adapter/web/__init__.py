"""Edges: parse, authenticate, answer. Nothing here decides what happens next."""
