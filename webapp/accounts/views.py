"""Signing in and out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from webapp.accounts import demo, limits


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """The form. A demo signs its visitor in without it, as long as nobody signed out on purpose."""

    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context, demo=settings.CONCHIVE_DEMO)

    def post(self, request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        limits.count("sign-in", limits.address_of(request))
        return super().post(request, *arguments, **named)

    def get(self, request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        if "next" in request.GET and demo.may_enter(request):
            login(request, demo.user())
            return redirect(self.get_success_url())
        return super().get(request, *arguments, **named)


@login_not_required
@require_POST
def enter_demo(request: HttpRequest) -> HttpResponse:
    if not demo.may_enter(request):
        raise Http404
    login(request, demo.user())
    return redirect("search")
