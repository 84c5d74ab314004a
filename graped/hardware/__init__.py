"""Chips, buses, pins and power drivers: thin edges around real hardware."""
