"""The same mathematics as in ops, slowly and plainly, in float64: what the fast versions are compared with."""
