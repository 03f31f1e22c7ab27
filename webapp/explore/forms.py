"""What people fill in about a search that they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from webapp.accounts import rights
from webapp.accounts.models import Team, User
from webapp.explore import saving
from webapp.explore.asking import BadQuery
from webapp.explore.models import SavedQuery

if TYPE_CHECKING:
    QueryModelForm = forms.ModelForm[SavedQuery]
    TeamField = forms.ModelChoiceField[Team]
else:
    QueryModelForm, TeamField = forms.ModelForm, forms.ModelChoiceField


class SaveSearch(forms.Form):
    """A new one. Once it is valid, ``save()`` keeps it."""

    name = forms.CharField(max_length=120)
    note = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    team = TeamField(Team.objects.none(), required=False, empty_label="Only me", label="Who sees it")
    watch = forms.BooleanField(required=False, label="Tell me when new images match")
    address = forms.CharField(max_length=saving.LONGEST_ADDRESS, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._user = user
        teams = self.fields["team"]
        teams.queryset = rights.teams_visible_to(user)  # type: ignore[attr-defined]
        teams.label_from_instance = lambda team: f"Everybody in {team.name}"  # type: ignore[attr-defined]

    def clean_address(self) -> str:
        try:
            return saving.kept_address(self.cleaned_data["address"])
        except BadQuery as bad:
            raise forms.ValidationError(str(bad)) from bad

    def save(self) -> SavedQuery:
        told = {name: value for name, value in self.cleaned_data.items() if name != "watch"}
        return saving.save(user=self._user, **told)


class RenameSearch(QueryModelForm):
    """What it asks stays: another question is another search."""

    class Meta:
        model = SavedQuery
        fields: ClassVar = ["name", "note"]
        widgets: ClassVar = {"note": forms.Textarea(attrs={"rows": 2})}
