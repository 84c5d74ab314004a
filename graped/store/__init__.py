"""What graped remembers: events, jobs, meter history, desired state (SQLite)."""
