"""The headings under which help shows options."""

DATA, ADAPTATION, LIMITS, RUNNING = "Data and model", "Adaptation", "Limits and search", "Running"
