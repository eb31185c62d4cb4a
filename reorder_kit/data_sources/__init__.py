"""Images and their targets: one source per file, each a plugin module; files with an underscore are shared parts."""
