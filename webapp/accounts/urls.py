"""Addresses of signing in and out, of teams, and of joining them."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from webapp.accounts import joining, team_views, views

urlpatterns = [
    path("sign-in", views.SignIn.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("enter-demo", views.enter_demo, name="enter-demo"),
    path("sign-up", joining.sign_up, name="sign-up"),
    path("join/<str:token>", joining.join, name="join"),
    # teams
    path("teams", team_views.my_teams, name="teams"),
    path("teams/new", team_views.new_team, name="new-team"),
    path("teams/<uuid:pk>", team_views.team, name="team"),
    path("teams/<uuid:pk>/members/<int:user>/role", team_views.change_role, name="change-role"),
    path("teams/<uuid:pk>/members/<int:user>/remove", team_views.remove, name="remove-member"),
    path("teams/<uuid:pk>/put-back", team_views.put_back, name="put-back-member"),
    path("teams/<uuid:pk>/leave", team_views.leave, name="leave-team"),
    path("teams/<uuid:pk>/hand-over", team_views.hand_over, name="hand-over-team"),
    path("teams/<uuid:pk>/invitations", team_views.invite, name="invite"),
    path("teams/<uuid:pk>/invitations/<int:invitation>/revoke", team_views.revoke, name="revoke-invitation"),
]
