"""Damaged files, files of random types and random settings: whatever comes is read or refused in a sentence, and no row is made of two and
no value becomes another.

`python -m churn_assets_tests.fuzz MINUTES [SEED]` looks for what is not so; a case is made again from its number alone.
"""
