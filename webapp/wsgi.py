"""The WSGI application: waitress (embedded) and granian (production) serve it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from webapp.hurry import limit_statements
from webapp.safety import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
application = get_wsgi_application()
refuse_unsafe_start()
limit_statements()
