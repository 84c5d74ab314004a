"""Rollouts and reboots, driven wave after wave."""
