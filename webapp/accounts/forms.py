"""What people fill in about teams and themselves. The fields named here are all that a request can change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.auth.forms import UserCreationForm

from webapp.accounts import invitations
from webapp.accounts.models import ApiToken, Role, Scope, Team, User
from webapp.accounts.passwords import PASSWORD_HELP
from webapp.accounts.reserved import is_reserved

if TYPE_CHECKING:
    TeamModelForm = forms.ModelForm[Team]
    PersonModelForm = forms.ModelForm[User]
    NewUserForm = UserCreationForm[User]
else:
    TeamModelForm, PersonModelForm, NewUserForm = forms.ModelForm, forms.ModelForm, UserCreationForm

ROLES = {
    Role.VIEWER: "Viewer: searches and looks",
    Role.EDITOR: "Editor: uploads and changes as well",
    Role.OWNER: "Owner: invites and removes people as well, and sees private collections",
}
TOKEN_DAYS = {30: "30 days", 90: "90 days", 365: "a year"}


class NewTeam(TeamModelForm):
    class Meta:
        model = Team
        fields: ClassVar = ["name"]
        error_messages: ClassVar = {"name": {"unique": "There is a team of this name already."}}


class Invite(forms.Form):
    role = forms.TypedChoiceField(coerce=lambda told: Role(int(told)), choices=list(ROLES.items()), initial=Role.VIEWER)
    email = forms.EmailField(
        required=False,
        label="Only for this e-mail address",
        help_text="May be left empty: then the link lets in whoever has it.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=invitations.MOST_DAYS, initial=invitations.DAYS, label="Days that it is open"
    )


class ChangeRole(forms.Form):
    role = forms.TypedChoiceField(coerce=lambda told: Role(int(told)), choices=list(ROLES.items()))


class NewAccount(NewUserForm):
    """A person's own account. ``email``: where the invitation is bound to one, it must be that one."""

    class Meta:
        model = User
        fields: ClassVar = ["username"]

    def __init__(self, *arguments: Any, bound_to: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bound_to = bound_to
        self.fields["username"].help_text = "Letters, digits and . + - _"
        self.fields["password1"].help_text = PASSWORD_HELP
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = "The password again"
        if bound_to:
            self.fields["email"] = forms.EmailField(
                label="Your e-mail address", help_text="The one that you were invited by.", max_length=254
            )

    def clean_username(self) -> str:
        name = str(super().clean_username())
        if is_reserved(name):
            raise forms.ValidationError("This name is the site's own.")
        if "@" in name:
            raise forms.ValidationError("A user name has no @: it would be taken for an e-mail address.")
        return name

    def clean_email(self) -> str:
        told = str(self.cleaned_data["email"])
        if told.casefold() != self._bound_to.casefold():
            raise forms.ValidationError("This invitation is for another e-mail address.")
        return told

    def save(self, commit: bool = True) -> User:
        user = super().save(commit=False)
        user.email = self.cleaned_data.get("email", "")
        if commit:
            user.save()
        return user


class YourName(PersonModelForm):
    class Meta:
        model = User
        fields: ClassVar = ["first_name", "last_name"]


class NewToken(forms.Form):
    """``scopes``: those that ``user`` may give; to run the archive is administrators'."""

    name = forms.CharField(max_length=ApiToken._meta.get_field("name").max_length, label="What it is for")
    scopes = forms.TypedMultipleChoiceField(coerce=Scope, widget=forms.CheckboxSelectMultiple, label="What it may do")
    days = forms.TypedChoiceField(coerce=int, choices=list(TOKEN_DAYS.items()), initial=90, label="It works for")

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        given = [scope for scope in Scope if scope != Scope.OPERATE or user.is_superuser]
        scopes = self.fields["scopes"]
        scopes.choices = [(scope.value, scope.label.capitalize()) for scope in given]  # type: ignore[attr-defined]
        scopes.initial = [Scope.READ]
