"""``python -m reorder_kit``: the command line."""

from reorder_kit.cli.main import main

if __name__ == "__main__":
    main()
