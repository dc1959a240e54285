"""SQL of the embedded network service. Plain functions, session first, Records out; the caller opens the transaction.

rows       how rows become records
addresses  giving addresses to ports, exactly
ports      plugs: make, change, bind to a host, take for a device, delete
groups     security groups and their rules, who is in which
"""
