"""The whole product as real processes: `graped --simulate` with its API, driven from outside."""
