"""Fixed orders of image patches for reorder-kit: space-filling curves and local windows."""
