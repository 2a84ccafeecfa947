"""Certificates and private keys (RFC 5280), read and checked as Go does it. Called by the certificate builtins."""
