"""The terminal: a client of the API, and the few commands that start or check a server."""
