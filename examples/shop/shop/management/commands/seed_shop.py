"""`manage.py seed_shop`: fills an empty shop."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from shop.stock import stock


class Command(BaseCommand):
    """Fills an empty shop, with the same rows for the same seed."""

    help = "Fills an empty shop, with the same rows for the same seed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the flags.

        Args:
            parser: Takes the flags.
        """
        parser.add_argument("--rows", type=int, default=1000, help="how many products")
        parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
        parser.add_argument("--database", default="remote", help="alias to write to")

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the rows in one transaction.

        Args:
            args: Unused.
            options: The flags.

        Raises:
            CommandError: The shop is not empty; nothing was added.
        """
        alias = options["database"]
        written = []
        with transaction.atomic(using=alias):
            for each in apps.get_app_config("shop").get_models():
                if each._default_manager.using(alias).exists():
                    raise CommandError(
                        f"The shop on {alias} has {each._meta.verbose_name_plural} already: "
                        "nothing was added. Empty it first: "
                        f"python manage.py flush --database {alias}"
                    )
            for rows in stock(options["rows"], options["seed"]):
                model = type(rows[0]) if rows else None
                if model is not None:
                    model._default_manager.using(alias).bulk_create(rows)
                    written.append(f"{len(rows)} {model._meta.verbose_name_plural}")
        self.stdout.write(f"Seeded {alias}: {', '.join(written)}.")
