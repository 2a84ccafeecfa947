"""Keys and signatures of JSON Web Tokens (RFC 7515, 7517, 7518, 8037). Called by the token builtins."""
