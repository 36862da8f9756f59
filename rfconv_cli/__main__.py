"""`python -m rfconv_cli` is `rfconv`."""

from rfconv_cli.program import main

if __name__ == "__main__":
    main()
