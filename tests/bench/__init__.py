"""`make bench`: what Grape costs, measured in one run, each figure beside what it is judged by."""
