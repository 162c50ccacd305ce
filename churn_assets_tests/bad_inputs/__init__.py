"""The cases of docs/bad_inputs.md as tables: rows, files, and where the rest is proven. test_bad_inputs.py walks them."""
