"""What graped remembers: events, jobs, meter history, desired state (SQLite).

``store.Store`` is the door. One thread owns the database; everything else here lives in the event loop's thread and
holds what is not on disk yet. A database that cannot be used never stops anything: it becomes a fault.
"""
