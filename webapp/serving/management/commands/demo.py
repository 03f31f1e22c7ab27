"""`python manage.py demo`: a site with a drawn archive and a user who is signed in already."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from webapp.serving import demo_archive, listening, up


class Command(BaseCommand):
    help = "Fill an archive with drawn samples and serve it; visitors from this machine are signed in as the demo user."
    requires_system_checks = ()  # migrate runs them

    def add_arguments(self, parser: ArgumentParser) -> None:
        listening.add_arguments(parser)
        parser.add_argument("--images", type=int, default=demo_archive.IMAGES, help=f"{demo_archive.IMAGES} unless told")

    def handle(self, *arguments: Any, **options: Any) -> None:
        del arguments
        if not settings.CONCHIVE_DEMO:  # settings are read once, at start: so it starts itself again
            os.environ["CONCHIVE_DEMO"] = "true"
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  itself  # nosec B606
        up.prepare(self.stdout.write)
        demo_archive.refuse_real_archives()

        def ready(url: str) -> None:
            demo_archive.fill(images=options["images"])
            self.stdout.write(self.style.SUCCESS(f"Conchive answers at {url}, signed in as the demo user  (Ctrl-C stops it)"))
            self.stdout.flush()

        up.serve(**listening.chosen(options), say=self.stdout.write, ready=ready)
