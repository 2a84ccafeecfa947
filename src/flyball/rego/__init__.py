"""Rego for policies. Stands alone: imports nothing of Flyball; only `backends/policy_*` imports it."""
