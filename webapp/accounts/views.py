"""Signing in and out."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import Login
from allauth.account.utils import get_login_redirect_url, get_next_redirect_url
from allauth.account.views import LoginView, LogoutView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.webauthn.internal.flows import perform_passwordless_login
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts import demo, limits, providers
from webapp.accounts.entering import enter


class SignIn(LoginView):
    """The form. A demo signs its visitor in without it, as long as nobody signed out on purpose."""

    template_name = "accounts/sign_in.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        told = {"demo": settings.CONCHIVE_DEMO, "providers": providers.offered(self.request), "sign_up": settings.SIGN_UP}
        return dict(super().get_context_data(**context)) | told

    def post(self, request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        limits.count("sign-in", limits.address_of(request))
        answer: HttpResponse = super().post(request, *arguments, **named)
        return answer

    def get(self, request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        if "next" in request.GET and demo.may_enter(request):
            enter(request, demo.user(), by="demo")
            return redirect(get_login_redirect_url(request))
        answer: HttpResponse = super().get(request, *arguments, **named)
        return answer


class SignInCode(AuthenticateView):
    """The second factor, of whoever has given the right password."""

    template_name = "accounts/sign_in_code.html"

    def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        limits.count("sign-in", limits.address_of(request))
        answer: HttpResponse = super().post(request, *arguments, **named)
        return answer


@method_decorator(login_not_required, name="dispatch")
class SignInPasskey(LoginWebAuthnView):
    """By a passkey alone, which is two factors in one: the thing, and the finger or PIN that it asks for."""

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        limits.count("sign-in", limits.address_of(request))
        answer: HttpResponseBase = super().dispatch(request, *arguments, **named)
        return answer

    def form_valid(self, form: Any) -> HttpResponse:
        passkey = form.cleaned_data["credential"]
        way_in = Login(user=passkey.user, redirect_url=get_next_redirect_url(self.request))
        answer: HttpResponse = perform_passwordless_login(self.request, passkey, way_in)
        return answer


_asks = require_http_methods(["GET", "HEAD", "POST"])
sign_in = _asks(SignIn.as_view())
sign_in_code = _asks(SignInCode.as_view())
sign_in_passkey = _asks(SignInPasskey.as_view())


class SignOut(LogoutView):
    http_method_names = ("post",)  # a link or a picture must sign nobody out


@login_not_required
def admin_door(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """In the place of the admin's own form: the site's door, and from there to where one was going."""
    del extra_context
    answer: HttpResponse = secure_admin_login(lambda asked: redirect(get_next_redirect_url(asked) or "admin:index"))(request)
    return answer


@login_not_required
@require_POST
def enter_demo(request: HttpRequest) -> HttpResponse:
    if not demo.may_enter(request):
        raise Http404
    enter(request, demo.user(), by="demo")
    return redirect("search")
