"""The site around the shop."""
