"""``python -m shardmill`` and the ``shardmill`` command."""

from shardmill.cli.main import main

if __name__ == "__main__":
    main()
