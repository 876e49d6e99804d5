"""Ours and its peers at the same work, on the same data and servers, in turn."""
