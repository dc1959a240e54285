"""What is needed to try, test and install novalite; nothing here is imported by the daemons."""
