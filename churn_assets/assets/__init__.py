"""The tables' declarations: steps over the transforms, and Dagster assets over the steps."""
