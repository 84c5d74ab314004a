"""Working with nodes: soft-off, evidence, commands, facts, enrolment, rollouts."""
