"""The command line: one file a command. Command bodies import late, so that `--help` needs no torch."""
