"""The subcommands of `isthmus`: each module has `arguments(parser)` and `run(options)`."""
