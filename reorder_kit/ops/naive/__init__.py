"""The same mathematics as in ops, plain and slow, in float64, as the reference for the fast versions."""
