"""GraphQL documents (spec of October 2021): read, checked, and written in the shape of gqlparser's trees, as OPA does.

Called by the builtin family of that name. A tree is plain JSON: objects with the names of gqlparser's members (`Operations`,
`SelectionSet`, `NamedType`), without what is null or empty. So a tree that a policy hands back needs no conversion, only a check of its
shape.
"""
