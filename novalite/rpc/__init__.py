"""How daemons speak to one another: contracts, a typed client, and a bus that carries the messages."""
