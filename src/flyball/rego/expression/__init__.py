"""Regular expressions of Go without an engine that Python lacks: read by `pattern`, matched by `machine`. Called by `builtin.regex`."""
