"""What can be known of a net before it runs. Nothing here fires a net for real."""
