"""The command line of Grape: a client of graped's API and nothing else."""
