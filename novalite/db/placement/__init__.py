"""Functions over a session for Placement: providers and what they have, consumers and what they hold."""
