"""Groups of commands of `churn-assets` that are long enough for a module of their own; `cli` registers them."""
