"""How the control tables come about in a Django project."""
