"""The command line: one file per command. Command bodies import late, so that `--help` does not load torch."""
