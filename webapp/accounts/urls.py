"""Addresses of signing in and out, of one's account, of teams, and of joining them.

Names with account_, mfa_ and openid_connect_ are those that allauth looks for.
"""

from __future__ import annotations

from allauth.account import views as engine
from allauth.socialaccount import views as providers
from django.urls import path

from webapp.accounts import account_views, joining, provider_views, secured, team_views, views

urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-in", views.sign_in, name="account_login"),
    path("sign-in/code", views.sign_in_code, name="mfa_authenticate"),
    path("sign-in/passkey", views.sign_in_passkey, name="mfa_login_webauthn"),
    path("sign-in/closed", engine.account_inactive, name="account_inactive"),
    path("sign-in/with/<slug:provider_id>", provider_views.sign_in_with, name="openid_connect_login"),
    path("sign-in/with/<slug:provider_id>/back", provider_views.back, name="openid_connect_callback"),
    path("sign-in/cancelled", providers.login_cancelled, name="socialaccount_login_cancelled"),
    path("sign-out", views.SignOut.as_view(), name="sign-out"),
    path("sign-out", views.SignOut.as_view(), name="account_logout"),
    path("enter-demo", views.enter_demo, name="enter-demo"),
    path("sign-up", joining.sign_up, name="sign-up"),
    path("join/<str:token>", joining.join, name="join"),
    # a forgotten password
    path("account/forgotten", secured.forgotten, name="account_reset_password"),
    path("account/forgotten/sent", engine.password_reset_done, name="account_reset_password_done"),
    path("account/forgotten/<str:uidb36>/<str:key>", secured.new_password, name="account_reset_password_from_key"),
    path("account/forgotten/done", engine.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    # one's account
    path("account", account_views.account, name="account"),
    path("account", account_views.account, name="mfa_index"),
    path("account", account_views.account, name="mfa_list_webauthn"),
    path("account", account_views.account, name="socialaccount_connections"),
    path("account/name", account_views.change_name, name="change-name"),
    path("account/confirm", secured.confirm_password, name="account_reauthenticate"),
    path("account/confirm/code", secured.confirm_code, name="mfa_reauthenticate"),
    path("account/confirm/passkey", secured.confirm_passkey, name="mfa_reauthenticate_webauthn"),
    path("account/password", secured.change_password, name="account_change_password"),
    path("account/password/set", secured.set_password, name="account_set_password"),
    path("account/email", secured.change_email, name="account_email"),
    path("account/email/confirm/<str:key>", secured.confirm_email, name="account_confirm_email"),
    path("account/second-factor", account_views.second_factor, name="second-factor"),
    path("account/app", secured.add_app, name="mfa_activate_totp"),
    path("account/app/remove", secured.remove_app, name="mfa_deactivate_totp"),
    path("account/passkeys/add", secured.add_passkey, name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/rename", secured.rename_passkey, name="mfa_edit_webauthn"),
    path("account/passkeys/<int:pk>/remove", secured.remove_passkey, name="mfa_remove_webauthn"),
    path("account/recovery-codes", secured.recovery_codes, name="mfa_view_recovery_codes"),
    path("account/recovery-codes/new", secured.new_recovery_codes, name="mfa_generate_recovery_codes"),
    path("account/sites/<slug:provider_id>/link", provider_views.link, name="link-provider"),
    path("account/sites/<int:pk>/unlink", account_views.unlink_provider, name="unlink-provider"),
    path("account/browsers/<int:pk>/end", account_views.end_session, name="end-session"),
    path("account/browsers/end-others", account_views.end_other_sessions, name="end-other-sessions"),
    path("account/tokens", account_views.make_token, name="make-token"),
    path("account/tokens/<int:pk>/revoke", account_views.revoke_token, name="revoke-token"),
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
