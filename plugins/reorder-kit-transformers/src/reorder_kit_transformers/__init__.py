"""Vision encoders of Hugging Face transformers as backbones of reorder-kit."""
