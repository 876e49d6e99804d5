"""Models that between them use every kind of field that Django has a column for."""

# ruff: noqa: DJ008 - nobody looks at them in the admin.

import uuid

from django.db import models
from django.db.models.functions import Length


class Label(models.Model):
    """A small parent, with a key of its own making."""

    code = models.SlugField(primary_key=True)


class Everything(models.Model):
    """One column of every type."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    small = models.SmallIntegerField(null=True)
    integer = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    decimal = models.DecimalField(max_digits=20, decimal_places=8, null=True)
    number = models.FloatField(null=True)
    yes = models.BooleanField(null=True)
    char = models.CharField(max_length=60, null=True)
    text = models.TextField(null=True)
    slug = models.SlugField(null=True)
    email = models.EmailField(null=True)
    url = models.URLField(null=True)
    ip = models.GenericIPAddressField(null=True)
    path = models.FilePathField(null=True)
    file = models.FileField(null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    time = models.TimeField(null=True)
    duration = models.DurationField(null=True)
    binary = models.BinaryField(null=True)
    json = models.JSONField(null=True)
    computed = models.GeneratedField(
        expression=Length("char"),
        output_field=models.IntegerField(null=True),
        db_persist=True,
    )
    order = models.IntegerField(db_column="order by", default=0)
    itself = models.ForeignKey("self", models.SET_NULL, null=True)
    label = models.ForeignKey(Label, models.CASCADE, null=True)
    one = models.OneToOneField(
        Label, models.CASCADE, null=True, related_name="only", db_constraint=False
    )
    labels = models.ManyToManyField(Label, related_name="many")

    class Meta:
        """Two unique keys and an index, as projects have them."""

        unique_together = (("small", "integer"),)
        constraints = (models.UniqueConstraint(fields=["big"], name="one_of_a_size"),)
        indexes = (models.Index(fields=["day", "-moment"]),)


class Counted(models.Model):
    """The plainest key."""

    parent = models.ForeignKey(Everything, models.CASCADE, db_column="parent-id")
    name = models.CharField(max_length=20, db_default="new")
