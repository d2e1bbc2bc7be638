"""How the graph is run: definitions, jobs, schedules, sensors, studies and the command line."""
