"""Pages made of templates: whatever they are given is text, never markup, unless our own code made it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from headgate.look import writing
from headgate.look.workshop import library_url

if TYPE_CHECKING:
    from headgate.look.assets import Assets


class Pages:
    """The templates of some packages; a name that a template uses and nobody gave is an error.

    Args:
        packages: Packages with a ``templates`` folder, whose templates are named ``<face>/<page>.html``.
        assets: The files that pages ask for.
    """

    def __init__(self, *packages: str, assets: Assets) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package) for package in ("headgate.look", *packages)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["chart_library"] = library_url  # pyright: ignore[reportArgumentType] - as below
        self._environment.globals["asset"] = assets.url  # pyright: ignore[reportArgumentType] - its type lists jinja's own
        self._environment.filters.update(
            when=writing.when,
            day=writing.day,
            span=writing.span,
            count=writing.count,
            share=writing.share,
            words=writing.words,
        )

    def render(self, template: str, **given: Any) -> str:
        """Return a page.

        Args:
            template: Its template: ``console/release.html``.
            **given: What the template may use.
        """
        return self._environment.get_template(template).render(given)
