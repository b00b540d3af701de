"""The ``companion`` command."""

import sys

import typer

from companion.errors import CompanionError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def companion() -> None:
    """Build the book, train its language models, read its records."""


def main() -> None:
    """Run the command; a mistake the user can mend ends as one line and exit code 2."""
    try:
        app()
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
