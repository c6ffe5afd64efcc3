"""Everything that runs on the workstation: adapt, measure, search, report."""
