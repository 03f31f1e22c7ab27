"""allauth's forms with this site's words, and with failures counted."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from allauth.account import forms as account
from allauth.core import context
from allauth.mfa.base import forms as factors
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from fido2.webauthn import AuthenticationResponse, RegistrationResponse
from redis.exceptions import RedisError

from webapp.accounts import limits, locking
from webapp.accounts.passwords import PASSWORD_HELP
from webapp.accounts.tasks import send_reset
from webapp.outages import Outage

if TYPE_CHECKING:
    from webapp.accounts.models import User

UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error)  # what fido2 raises of nonsense
CODE_HELP = "Six digits from your authenticator app, or one of your recovery codes."


class SignIn(account.LoginForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        name, password = self.fields["login"], self.fields["password"]
        name.label, password.label, password.help_text = "User name or e-mail address", "Password", ""
        name.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none", "autofocus": True, "maxlength": 254}
        _plain(self)

    def add_prefix(self, field_name: str) -> str:
        """The name that password managers and programs have known the field by."""
        return str(super().add_prefix("username" if field_name == "login" else field_name))

    def user_credentials(self) -> dict[str, Any]:
        """One name, whichever it is: passwords.py finds out whose."""
        return {"username": self.cleaned_data["login"], "password": self.cleaned_data["password"]}


class ChangePassword(account.ChangePasswordForm):
    user: User

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _new_password(self)
        old = self.fields["oldpassword"]
        old.label, old.help_text = "Present password", ""

    def clean_oldpassword(self) -> str:
        locking.refuse_where_locked(context.request, self.user)
        try:
            return str(super().clean_oldpassword())
        except forms.ValidationError:
            locking.failed(context.request, self.user)
            raise


class SetPassword(account.SetPasswordForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _new_password(self)


class ResetPassword(account.ResetPasswordForm):
    """Answers at once and alike, whose address it is: letters are looked up and sent elsewhere."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["email"].label = "E-mail address of your account"
        _plain(self)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: Any, **named: Any) -> str:
        """Raises TooMany, Outage."""
        del named
        email = str(self.cleaned_data["email"])
        limits.count("mail", limits.address_of(request))
        limits.count("mail", f"to {email.casefold()}")
        send_reset(email)
        return email


class NewPassword(account.ResetPasswordKeyForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _new_password(self)


class ConfirmPassword(account.ReauthenticateForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["password"].label, self.fields["password"].help_text = "Your password", ""
        _plain(self)


class ChangeEmail(account.AddEmailForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["email"].label = "New e-mail address"
        _plain(self)


class CountedCode:
    """A code is asked of nobody who failed too often, and a failure counts for the account, from wherever it came."""

    user: User
    if TYPE_CHECKING:
        fields: dict[str, forms.Field]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        code = self.fields["code"]
        code.label, code.help_text = "Code", CODE_HELP
        code.widget.attrs |= {"autofocus": True, "maxlength": 20, "autocapitalize": "none"}
        _plain(self)

    def clean_code(self) -> str:
        locking.refuse_where_locked(context.request, self.user, code=True)
        try:
            right: str = super().clean_code()  # type: ignore[misc]  # of the form beside
        except forms.ValidationError:
            locking.failed(context.request, self.user, code=True)
            raise
        except RedisError as exc:  # which codes were used already is remembered there
            raise Outage("Codes cannot be checked for the moment.", detail="The cache does not answer.") from exc
        locking.forget_codes(self.user)
        return right


class SecondFactor(CountedCode, factors.AuthenticateForm):
    pass


class ConfirmCode(CountedCode, factors.ReauthenticateForm):
    pass


class AddApp(totp.ActivateTOTPForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["code"].label = "The code that it shows now"
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "maxlength": 10}
        _plain(self)


class ReadFirst:
    """What a browser says of a passkey is read before anything is done with it: it may be anything."""

    kind: type[AuthenticationResponse | RegistrationResponse] = AuthenticationResponse
    if TYPE_CHECKING:
        fields: dict[str, forms.Field]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["credential"].validators.append(self._read)

    def _read(self, told: Any) -> None:
        try:
            self.kind.from_dict(told)
        except UNREADABLE as exc:
            raise forms.ValidationError("This passkey was not accepted.") from exc


class PasskeyAlone(ReadFirst, webauthn.LoginWebAuthnForm):
    pass


class PasskeyBeside(ReadFirst, webauthn.AuthenticateWebAuthnForm):
    pass


class ConfirmPasskey(ReadFirst, webauthn.ReauthenticateWebAuthnForm):
    pass


class AddPasskey(ReadFirst, webauthn.AddWebAuthnForm):
    kind = RegistrationResponse

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        name = self.fields["name"]
        name.label, name.help_text = "Name", "To tell it from others, such as «work laptop»."
        self.fields["passwordless"].widget = forms.HiddenInput()
        self.initial["passwordless"] = "true"


class RenamePasskey(webauthn.EditWebAuthnForm):
    name = forms.CharField(max_length=100, label="Name")


def _new_password(form: Any) -> None:
    form.fields["password1"].label, form.fields["password1"].help_text = "New password", PASSWORD_HELP
    form.fields["password2"].label = "The new password again"
    _plain(form)


def _plain(form: Any) -> None:
    """Labels say what a field is; words inside it would vanish with the first letter."""
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)
