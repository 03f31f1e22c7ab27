"""`python manage.py up`: the whole site in one process."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from webapp.accounts.models import User
from webapp.serving import listening, up


class Command(BaseCommand):
    help = "Migrate, then serve the site with its worker in one process, until Ctrl-C."
    requires_system_checks = ()  # migrate runs them

    def add_arguments(self, parser: ArgumentParser) -> None:
        listening.add_arguments(parser)

    def handle(self, *arguments: Any, **options: Any) -> None:
        del arguments
        up.prepare(self.stdout.write)
        up.serve(**listening.chosen(options), say=self.stdout.write, ready=self.tell_address)

    def tell_address(self, url: str) -> None:
        self.stdout.write(self.style.SUCCESS(f"Conchive answers at {url}  (Ctrl-C stops it)"))
        if not any(user.has_usable_password() for user in User.objects.filter(is_active=True)[:10]):
            self.stdout.write("No one can sign in yet: python manage.py createsuperuser")
        self.stdout.flush()
