"""What a model looks at, and what data says about an order."""
