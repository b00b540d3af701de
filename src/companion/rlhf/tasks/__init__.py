"""Tasks as text: deceptive reasoning, instruction following, alignment."""
