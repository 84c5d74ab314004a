"""The command line of grape_docker: one module a command, imported when it is asked for."""
