"""One table a demo patient; see ``conformance.data`` for the format."""
