"""Learning the order of image patches inside the Birkhoff polytope, the set of doubly stochastic matrices."""
