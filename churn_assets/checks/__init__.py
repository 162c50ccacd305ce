"""Checks of stored data, a verdict for each partition. They judge, they change nothing, and they import no asset."""
