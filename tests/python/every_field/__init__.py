"""A Django app whose one model has every kind of field, with the relations of a larger project."""
