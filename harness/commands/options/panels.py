"""The headings under which help shows options."""

DATA, DEVICES, LIMITS, MEASURING = "Images and model", "Devices", "Limits", "Measuring and search"
ADAPTATION, EXPERIMENTS, COMPARISON, RUNNING = "Training", "Experiments", "Comparison", "Running"
