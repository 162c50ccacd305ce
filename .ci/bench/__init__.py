"""How long the product takes and how much memory, always against something else in the same run: seconds are the machine's,
ratios are ours. `PYTHONPATH=.ci python -m bench --help`.
"""
