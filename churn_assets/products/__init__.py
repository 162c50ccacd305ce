"""The shipped declarations, TOML files without code: the only place of the package with words of a domain."""
