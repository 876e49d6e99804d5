"""What the commands that ask the engine have in common: two flags, and how they print.

What a command does, and how it ends, is its own to say.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, OutputWrapper
from django.utils.translation import gettext as _

from db_sync.conf import settings_file
from db_sync.printout import Line, Tone


class _Output(OutputWrapper):
    """A stream whose reader may go away (`| head`), which is no failure of the command."""

    def write(  # type: ignore[override]
        self,
        msg: str = "",
        style_func: Callable[[str], str] | None = None,
        ending: str | None = None,
    ) -> None:
        """Writes at once, as `OutputWrapper` does; to nowhere where nobody reads any more."""
        try:
            super().write(msg, style_func, ending)
            self.flush()
        except BrokenPipeError:
            # Python itself writes in the end what is left, and would complain of it.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


class EngineCommand(BaseCommand):
    """A command that prints lines for people, or one JSON object."""

    # The engine says by itself what it misses; such a command is needed most where something is.
    requires_system_checks = ()

    # How Django declares its own flags, which every command takes.
    _common: list[tuple[tuple[Any, ...], dict[str, Any]]]

    def run_from_argv(self, argv: list[str]) -> None:
        """Runs as this process's own command.

        Args:
            argv: The command line.
        """
        self.stdout, self.stderr = _Output(sys.stdout), _Output(sys.stderr)
        self.stderr.style_func = self.style.ERROR
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Runs the command with the settings' file that the project has, unless a flag names one.

        Args:
            args: Handed on.
            options: Handed on.

        Returns:
            What Django's own does.
        """
        options["env_file"] = settings_file(options.get("env_file"))
        return super().execute(*args, **options)

    def create_parser(self, prog_name: str, subcommand: str, **how: Any) -> CommandParser:
        """Makes the parser; Django declares its own flags before ours are."""
        self._common = []
        return super().create_parser(prog_name, subcommand, **how)

    def add_base_argument(self, parser: CommandParser, *names: Any, **how: Any) -> None:
        """Declares one of Django's own flags."""
        self._common.append((names, how))
        super().add_base_argument(parser, *names, **how)

    def add_action(self, actions: Any, name: str, words: str) -> CommandParser:
        """Declares an action that takes our two flags, and Django's own as well.

        Args:
            actions: What the command's parser has for its actions.
            name: The action.
            words: What it does.

        Returns:
            Its parser.
        """
        parser: CommandParser = actions.add_parser(name, help=words)
        self.add_output_flags(parser)
        for names, how in self._common:
            # A flag before the action keeps its value where none stands after it.
            parser.add_argument(*names, **{**how, "default": argparse.SUPPRESS})
        return parser

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
