"""A page of results as the template shows it: hits above the line of chance and below it, filters with their addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.http import QueryDict

from webapp.explore import addresses
from webapp.explore.addresses import Address, Chip, Choice
from webapp.explore.queries import HitView, ResultPage
from webapp.explore.refining import Asked


@dataclass(frozen=True, kw_only=True)
class ShownHit(HitView):
    """A hit with its addresses: liked or disliked (or no more), its whole case, without its case, and what is like it.

    Those about a case are "" where it has none.
    """

    judged: Literal["like", "dislike", ""]
    like_href: str
    dislike_href: str
    similar_href: str
    case_href: str
    without_case_href: str

    @classmethod
    def of(cls, hit: HitView, address: Address) -> ShownHit:
        image, region, case = str(hit.image.pk), str(hit.region.pk), hit.image.case
        rest = address.without(*addresses.SUBJECTS, "crop", "other_cases", *addresses.PAGE)
        here = address.without("collection", "case", "every_image", *addresses.PAGE)
        whole = here.plus(("collection", str(hit.image.collection_id)), ("case", case), ("every_image", "1"))
        return cls(
            **vars(hit),
            judged=_judged(hit, address),
            like_href=addresses.judged(address, "like", image, region=region),
            dislike_href=addresses.judged(address, "dislike", image, region=region),
            similar_href=rest.plus(("image", image) if hit.region.standard else ("region", region)).href,
            case_href=whole.href if case else "",
            without_case_href=address.plus((addresses.WITHOUT, case)).href if case else "",
        )


def _judged(hit: HitView, address: Address) -> Literal["like", "dislike", ""]:
    ids = (str(hit.image.pk), str(hit.region.pk))
    if any(address.has("like", one) for one in ids):
        return "like"
    return "dislike" if any(address.has("dislike", one) for one in ids) else ""


@dataclass(frozen=True, kw_only=True)
class Results:
    """``line_drawn``: an earlier page ended below the line already. Addresses are "" where there is nothing to go to.

    ``show_below``: this page with all that lies below the line, where nothing lies above it.
    """

    page: ResultPage
    asked: Asked
    text: str
    above: list[ShownHit]
    below: list[ShownHit]
    line_drawn: bool
    more: str
    show_below: str
    chips: list[Chip]
    choices: list[tuple[str, list[Choice]]]
    kept: list[tuple[str, str]]
    without_filters: str
    every_image: bool
    every_image_toggled: str
    other_cases: bool
    other_cases_toggled: str

    @classmethod
    def of(cls, page: ResultPage, told: Address | QueryDict) -> Results:
        address = told if isinstance(told, Address) else Address.of(told)
        hits = [ShownHit.of(hit, address) for hit in page.hits]
        above, below = [hit for hit in hits if hit.stands_out], [hit for hit in hits if not hit.stands_out]
        line_drawn = "below" in address
        chips = addresses.chips(address, page.facets)
        more = addresses.next_page(address, page.next_cursor, below_line=line_drawn or bool(below)) if page.next_cursor else ""
        return cls(
            page=page,
            asked=Asked.of(address, page),
            text=address.get("q"),
            above=above,
            below=below,
            line_drawn=line_drawn,
            more=more,
            show_below=address.without("below").plus(("below", "1")).href,
            chips=chips,
            choices=addresses.choices(address, page.facets),
            kept=addresses.kept(address),
            without_filters=addresses.without_filters(address) if chips else "",
            every_image="every_image" in address,
            every_image_toggled=addresses.toggled(address, "every_image"),
            other_cases="other_cases" in address,
            other_cases_toggled=addresses.toggled(address, "other_cases"),
        )
