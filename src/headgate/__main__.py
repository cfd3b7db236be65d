"""``python -m headgate`` is the command ``headgate``."""

from headgate.bootstrap.cli import main

if __name__ == "__main__":
    main()
