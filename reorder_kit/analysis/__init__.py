"""What a model looks at, and what data says of an order."""
