"""The laboratory: tasks, policies, training with TRL, exact distances, run records."""
