"""``python -m clusterctl`` and the console script."""

from clusterctl.cli.app import main

if __name__ == "__main__":
    main()
