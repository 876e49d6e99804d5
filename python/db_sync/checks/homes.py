"""Where Django keeps a model, by the project's routers."""

from django.db import router
from django.db.models import Model


def homes(model: type[Model]) -> list[str]:
    """Names the aliases that a model is read from and written to.

    Args:
        model: The model.

    Returns:
        One alias as a rule; none where a router cannot be imported, of which Django says more as
        soon as a database is used.
    """
    try:
        return sorted({router.db_for_read(model), router.db_for_write(model)})
    except ImportError:
        return []
