"""Drawing: data in, picture out."""
