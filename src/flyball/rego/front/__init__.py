"""The front end of Rego v1: text to tree. `parse_module` and `parse_body` raise `Refused` and nothing else."""

from flyball.rego.front.module import parse_body, parse_module

__all__ = ["parse_body", "parse_module"]
