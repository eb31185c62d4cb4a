"""The model: tokens, an order before each block, a backbone, a head."""
