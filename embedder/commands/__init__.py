"""The commands of `python -m embedder`, one module each: add_parser() says what it takes, run() returns the exit code."""
