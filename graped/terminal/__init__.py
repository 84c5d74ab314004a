"""What command lines of this project have in common: streams, errors, exit codes, groups of commands, node sets."""
