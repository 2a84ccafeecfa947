"""Programs that kinds run inside the box: standard library only, JSON in on standard input, JSON out. Never imported by the server."""
