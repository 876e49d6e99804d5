"""What speaks against going over to the other side, and what to do about it, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from db_sync.addresses import strangers
from db_sync.default_side import DefaultSide
from db_sync.errors import exit_status
from db_sync.printout import words_of
from db_sync.standing import Standing

# The statuses with which commands end: no connection, wrong settings, something waits.
_UNREACHABLE, _WRONG, _WAITING = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the side is not changed.

    Attributes:
        status: With which the command ends.
        message: What speaks against it.
        hint: What to do.
    """

    status: int
    message: str
    hint: str


def without_effect(now: DefaultSide, side: str) -> Iterator[Refusal]:
    """Says why a change of the file would change nothing, which nobody can wish.

    Args:
        now: The side that `default` is.
        side: The side that it shall be, `remote` or `local`.

    Yields:
        One refusal at most.
    """
    if now.path is None:
        yield Refusal(
            _WRONG,
            _("There is no .env in this directory whose DB_ENV could be changed."),
            _("Name the file with --env-file, or set DB_ENV=%(side)s in the environment.")
            % {"side": side},
        )
    elif now.origin == "environment":
        words = _(
            "DB_ENV=%(now)s is set in the environment, which goes before %(path)s: a change of the "
            "file would have no effect."
        )
        yield Refusal(
            _WRONG,
            words % {"now": now.side, "path": now.path},
            _("Change it where the environment is made: the shell, the service, the container."),
        )


def elsewhere(now: DefaultSide) -> list[str]:
    """Says where Django looks elsewhere than these settings say.

    Args:
        now: The side that `default` is, with the settings.

    Returns:
        A sentence for each alias.
    """
    words = _("Django's `%(alias)s` is %(django)s, but %(path)s says %(meant)s.")
    names = {"path": now.path or ".env"}
    return [
        words % {**names, "alias": alias, "django": address, "meant": meant}
        for alias, (address, meant) in strangers(now.told, settings.DATABASES).items()
    ]


def astray(now: DefaultSide, side: str) -> Iterator[Refusal]:
    """Says that Django would not follow a change of this file.

    Args:
        now: The side that `default` is, with the settings.
        side: The side that it shall be.

    Yields:
        A refusal for each alias.
    """
    for words in elsewhere(now):
        hint = _("If settings.py reads another file, name that one with --env-file.")
        yield Refusal(_WRONG, words, f"{hint} {_all_the_same(side)}")


def not_yet(known: Standing, now: str, side: str) -> Iterator[Refusal]:
    """Says what should be done first.

    Args:
        known: How both sides stand.
        now: The side that `default` is.
        side: The side that it shall be.

    Yields:
        Refusals, the worst first.
    """
    away = known.sides[side.upper()].error
    if away is not None:
        # Nothing else matters, and nothing is offered that would leave the site without a database.
        yield Refusal(_UNREACHABLE, words_of(away), _nowhere(side))
        return
    left = known.sides[now.upper()].error
    if left is not None:
        yield Refusal(_UNREACHABLE, words_of(left), _emergency(now, side))
    elif known.trouble is not None:
        hint = _("So nobody knows what waits to be synced.")
        status = exit_status(known.trouble.code)
        yield Refusal(status, words_of(known.trouble), f"{hint} {_all_the_same(side)}")
    if known.rows_wait:
        hint = _("First: python manage.py sync_db.")
        yield Refusal(_WAITING, waiting_rows(known), f"{hint} {_all_the_same(side)}")
    if known.conflicts:
        hint = _("First: python manage.py sync_conflicts list, and resolve each of them.")
        yield Refusal(_WAITING, waiting_conflicts(known), f"{hint} {_all_the_same(side)}")


def by_hand(path: str, side: str) -> Refusal:
    """Says that a person must edit the file.

    Args:
        path: The file.
        side: The side that `default` shall be.

    Returns:
        The refusal.
    """
    return Refusal(
        _WRONG,
        _("The line with DB_ENV in %(path)s cannot be changed without changing more.")
        % {"path": path},
        _("Write DB_ENV=%(side)s there by hand.") % {"side": side},
    )


def waiting_rows(known: Standing) -> str:
    """Says what a sync would do.

    Args:
        known: How both sides stand.

    Returns:
        One sentence, or two.
    """
    names = {"local": known.rows_for_local, "remote": known.rows_for_remote}
    words = _("Rows that a sync would write: %(local)d on LOCAL, %(remote)d on REMOTE.") % names
    more = _("It would leave others for a person, or as they are.")
    return f"{words} {more}" if known.rows_stay else words


def waiting_conflicts(known: Standing) -> str:
    """Says how many conflicts wait.

    Args:
        known: How both sides stand.

    Returns:
        One sentence.
    """
    return _("Conflicts that wait for a person: %(count)d.") % {"count": known.conflicts or 0}


def _nowhere(side: str) -> str:
    words = _("Mend that first: on %(side)s the site would have no database.")
    return words % {"side": side.upper()}


def _emergency(now: str, side: str) -> str:
    """What to know before going on without the side that cannot be reached."""
    return _(
        "What %(now)s has and %(side)s lacks cannot be known. To go on with %(side)s all the same: "
        "python manage.py db_env %(action)s --force. When %(now)s is back, sync_db brings both "
        "together; rows that both have changed are conflicts then."
    ) % {"now": now.upper(), "side": side.upper(), "action": side}


def _all_the_same(side: str) -> str:
    words = _("If it is meant all the same: python manage.py db_env %(side)s --force.")
    return words % {"side": side}
