"""`python -m adapter` is `abdm-adapter`."""

from adapter.cli import main

if __name__ == "__main__":
    main()
