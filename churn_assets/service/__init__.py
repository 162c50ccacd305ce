"""The HTTP service: features and scores of single users, out of the online store."""
