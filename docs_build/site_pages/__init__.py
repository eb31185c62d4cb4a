"""Pages of the site that are generated when it is built. Nothing of them is checked in."""
