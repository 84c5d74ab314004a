"""The Debian package: wheels, units, pages and completions as its files, and what dpkg has run."""
