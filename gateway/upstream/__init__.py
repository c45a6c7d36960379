"""The services behind: their clients, and bytes on their way up and down."""
