"""What runs the graph without a person: schedules, sensors, alerts, and the Dagster instance they are recorded in.

Nothing here computes a table.
"""
