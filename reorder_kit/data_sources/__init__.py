"""Images and their targets: one source a file, each file a plugin module; files with an underscore are shared parts."""
