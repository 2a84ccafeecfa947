"""Policies with cases and runbooks as shipped; `flyball init` copies them."""
