"""The `novalite` command."""
