"""What people fill in about collections. The fields named here are all that a request can change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from webapp.accounts import rights
from webapp.accounts.models import Team, User
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Collection

if TYPE_CHECKING:
    CollectionModelForm = forms.ModelForm[Collection]
    TeamField = forms.ModelChoiceField[Team]
else:
    CollectionModelForm, TeamField = forms.ModelForm, forms.ModelChoiceField


class EditCollection(CollectionModelForm):
    """The team stays: moving a collection would change who sees it without a word."""

    class Meta:
        model = Collection
        fields: ClassVar = ["name", "description", "visibility"]
        widgets: ClassVar = {"description": forms.Textarea(attrs={"rows": 3}), "visibility": forms.RadioSelect}
        labels: ClassVar = {"visibility": "Who sees it"}

    def clean_name(self) -> str:
        """Django leaves the constraint unchecked where one of its fields is not in the form."""
        name: str = self.cleaned_data["name"]
        if Collection.objects.filter(team=self.instance.team_id, name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("The team has a collection of that name already.")
        return name


class NewCollection(CollectionModelForm):
    team = TeamField(Team.objects.none(), empty_label=None)

    class Meta(EditCollection.Meta):
        fields: ClassVar = ["name", "team", "description", "visibility"]
        error_messages: ClassVar = {"__all__": {"unique_together": "The team has a collection of that name already."}}

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.instance.made_by = user
        self.fields["team"].queryset = rights.teams_edited_by(user)  # type: ignore[attr-defined]


class UploadDefaults(forms.Form):
    """What is known about an upload's files. Once it is valid: ``metadata``, true of every file. The table: sent_table.py."""

    stain = forms.CharField(required=False, widget=forms.TextInput(attrs={"placeholder": "H&E"}))
    organ = forms.CharField(required=False, widget=forms.TextInput(attrs={"placeholder": "colon"}))
    finding = forms.CharField(required=False)
    case = forms.CharField(required=False)
    slide = forms.CharField(required=False)
    mpp = forms.CharField(required=False, label="µm per pixel", widget=forms.TextInput(attrs={"inputmode": "decimal"}))
    tags = forms.CharField(required=False, help_text="Parted by semicolons.")
    table = forms.FileField(
        required=False, label="Table (optional)", widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.xlsx,text/csv"})
    )

    metadata: Metadata

    def clean(self) -> dict[str, Any]:
        about_all = {name: told for name, told in self.cleaned_data.items() if name != "table"}
        try:
            self.metadata = Metadata.from_mapping(about_all)
        except BadMetadata as bad:
            raise forms.ValidationError(str(bad)) from bad
        return self.cleaned_data
