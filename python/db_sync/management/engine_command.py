"""What the commands that ask the engine have in common: two flags, and how they print.

What a command does, and how it ends, is its own to say.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from db_sync.printout import Line, Tone


class EngineCommand(BaseCommand):
    """A command that prints lines for people, or one JSON object."""

    # The engine says by itself what it misses; such a command is needed most where something is.
    requires_system_checks = ()

    def add_output_flags(self, parser: CommandParser) -> None:
        """Declares `--json` and `--env-file`.

        Args:
            parser: Takes them.
        """
        parser.add_argument(
            "--json", action="store_true", help=_("print one JSON object and nothing else")
        )
        parser.add_argument(
            "--env-file", metavar="FILE", help=_("read the settings from here instead of .env")
        )

    def write_lines(self, lines: Iterable[Line]) -> None:
        """Prints lines on stdout, each in the colour of its tone.

        Args:
            lines: What is told.
        """
        styles = {
            Tone.GOOD: self.style.SUCCESS,
            Tone.WARNING: self.style.WARNING,
            Tone.BAD: self.style.ERROR,
        }
        for line in lines:
            self.stdout.write(line.text, styles.get(line.tone))

    def write_json(self, told: Any) -> None:
        """Prints one JSON object on stdout, and no other letters than its text has.

        Args:
            told: What `json` takes.
        """
        self.stdout.write(json.dumps(told, ensure_ascii=False))
