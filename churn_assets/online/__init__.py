"""Features and scores of the newest day, kept for programs that ask for single users."""
