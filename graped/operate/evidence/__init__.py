"""How far a node answers, rung by rung."""
