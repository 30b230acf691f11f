"""`advisor-gateway`, also `python -m gateway`."""

from gateway.cli.program import program


def main() -> None:
    """Run the command line."""
    program(prog_name="advisor-gateway")


if __name__ == "__main__":
    main()
