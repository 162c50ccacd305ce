"""Dumps shaped like exports of well-known analytics tools, after their public documentation. The rows are made up here."""
