"""Ways of learning an order while the model trains: one a file, each file a plugin module."""
