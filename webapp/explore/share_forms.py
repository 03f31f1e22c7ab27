"""What people fill in to share a search, to extend a link, and to be let in as a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from webapp.accounts import rights
from webapp.accounts.models import Team, User
from webapp.explore import saving
from webapp.explore.asking import BadQuery
from webapp.explore.models import LinkMode, SavedQuery
from webapp.explore.sharing import USUAL_DAYS, Wish

if TYPE_CHECKING:
    TeamField = forms.ModelChoiceField[Team]
else:
    TeamField = forms.ModelChoiceField
MODES = [
    (LinkMode.LIVE.value, "Live: asked again, with what each may see"),
    (LinkMode.FROZEN.value, "Frozen: today’s results, beside what is found later"),
]


def days_field() -> forms.IntegerField:
    most = settings.LINK_MAX_DAYS
    told = f"It ends by itself after as many, {most} at most."
    return forms.IntegerField(min_value=1, max_value=most, initial=min(USUAL_DAYS, most), label="Days", help_text=told)


class ShareSearch(forms.Form):
    """A valid one has a ``wish``."""

    address = forms.CharField(max_length=saving.LONGEST_ADDRESS, widget=forms.HiddenInput)
    name = forms.CharField(max_length=SavedQuery._meta.get_field("name").max_length)
    note = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    team = TeamField(Team.objects.none(), empty_label="Choose…", label="Who may open it")
    mode = forms.ChoiceField(choices=MODES, initial=LinkMode.LIVE, widget=forms.RadioSelect, label="What they see")
    guests = forms.BooleanField(required=False, label="Also for people without an account")
    password = forms.CharField(
        max_length=128, required=False, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    guests_read = forms.BooleanField(required=False, label="They read the name, the note and the captions too")

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.wish = Wish(days=1)
        self.fields["days"] = days_field()
        teams = rights.teams_visible_to(user)
        chooser = self.fields["team"]
        chooser.queryset = teams  # type: ignore[attr-defined]
        chooser.label_from_instance = lambda team: f"Everybody in {team.name}"  # type: ignore[attr-defined]
        if len(teams) == 1:
            chooser.initial = teams[0]
        if settings.GUEST_LINKS:
            chooser.required = False
            chooser.empty_label = "Only me, and guests"  # type: ignore[attr-defined]
        else:
            for name in ("guests", "password", "guests_read"):
                del self.fields[name]

    def clean_address(self) -> str:
        try:
            return saving.kept_address(self.cleaned_data["address"])
        except BadQuery as bad:
            raise forms.ValidationError(str(bad)) from bad

    def clean(self) -> dict[str, Any]:
        told = self.cleaned_data
        if self.errors:
            return told
        if told["team"] is None and not told.get("guests"):
            self.add_error("team", "Choose a team: a link for yourself alone leads nobody anywhere.")
        try:
            self.wish = Wish(
                mode=LinkMode(told["mode"]),
                days=told["days"],
                guests=told.get("guests", False),
                guests_read=told.get("guests_read", False),
                password=told.get("password", ""),
            )
        except BadQuery as bad:
            self.add_error({"guests_frozen": "mode", "password": "password"}.get(bad.reason), str(bad))
        return told


class ExtendLink(forms.Form):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["days"] = days_field()


class GuestPassword(forms.Form):
    password = forms.CharField(
        max_length=128, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "off", "autofocus": True})
    )
