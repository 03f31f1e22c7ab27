"""Settings, all from the environment, each with a line in docs/settings.md (a test compares the two).

Two modes run the same code: embedded (the default: one process, SQLite, Qdrant Edge, no broker) and production (PostgreSQL,
Redis, a Qdrant server, workers of their own). EMBEDDED says which.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import FileAwareEnv, validate
from kombu import Queue

from webapp import oidc
from webapp.secret import data_secret, with_password
from webapp.unlogged import keep_discreet

env = FileAwareEnv(strip_whitespace=True)  # NAME_FILE names a file with the value: for secrets
BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things lie ----------------------------------------------------------------------------------------------------

CONCHIVE_DATA: Path = env.path("CONCHIVE_DATA", BASE_DIR / "var" / "data")
UPLOADS = CONCHIVE_DATA / "uploads"
UPLOADS.mkdir(parents=True, exist_ok=True)  # Django refuses to start without it
REDIS_URL: str = with_password(env.str("REDIS_URL", ""), env.str("REDIS_PASSWORD", ""))
QDRANT_URL: str = env.str("QDRANT_URL", "")
QDRANT_API_KEY: str = env.str("QDRANT_API_KEY", "")
QDRANT_GRPC_PORT: int = env.int("QDRANT_GRPC_PORT", 6334, validate=validate.Range(min=0, max=65535))  # 0: REST alone
QDRANT_SHARDS: int = env.int("QDRANT_SHARDS", 1, validate=validate.Range(min=1))
QDRANT_REPLICAS: int = env.int("QDRANT_REPLICAS", 1, validate=validate.Range(min=1))
QDRANT_SNAPSHOTS: str = env.str("QDRANT_SNAPSHOTS", "/qdrant/snapshots")
EMBEDDED = env.bool("CONCHIVE_EMBEDDED", default=not REDIS_URL)  # one process does it all
CONCHIVE_URL: str = env.str("CONCHIVE_URL", "http://127.0.0.1:8000").rstrip("/")  # where people and commands reach the site
CONCHIVE_DEMO = env.bool("CONCHIVE_DEMO", default=False)  # visitors from this machine are the demo user: `manage.py demo`

# --- Django --------------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", "") or data_secret(CONCHIVE_DATA, allowed=EMBEDDED)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])  # older ones: what was stored with them can still be read
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
HTTPS = env.bool("HTTPS", default=not EMBEDDED)
PROXIES: int = env.int("PROXIES", 0, validate=validate.Range(min=0, max=10))  # between browsers and this process

INSTALLED_APPS = [
    "allauth",  # these before our own, whose admin takes out what they register
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "axes",
    "webapp.accounts",
    "webapp.library",
    "webapp.explore",
    "webapp.operating",
    "webapp.serving",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "ninja",
]
MIDDLEWARE = [
    "webapp.operating.probes.ProbesMiddleware",
    "webapp.tracing.TracingMiddleware",
    "webapp.proxied.ProxiedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webapp.compressing.TextGzipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "webapp.headers.HeadersMiddleware",
    "webapp.accounts.required.SecondFactorMiddleware",
    "webapp.library.terms.TermsMiddleware",
    "webapp.plain_text.PlainTextMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "webapp.outages.OutageMiddleware",
    "webapp.accounts.limits.TooManyMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "search"
LOGOUT_REDIRECT_URL = "sign-in"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "webapp" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.context.site",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True

# --- database ------------------------------------------------------------------------------------------------------------

DATABASES = {"default": env.dj_db_url("DATABASE_URL", f"sqlite:///{CONCHIVE_DATA / 'conchive.sqlite3'}")}
if _password := env.str("DATABASE_PASSWORD", ""):
    DATABASES["default"]["PASSWORD"] = _password
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # several threads write: WAL lets them, IMMEDIATE makes them wait for each other instead of failing
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    _connect_timeout_s: int = env.int("DATABASE_CONNECT_TIMEOUT_S", 5, validate=validate.Range(min=1))
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": _connect_timeout_s} | DATABASES["default"].get("OPTIONS", {})
STATEMENT_TIMEOUT_S: float = env.float("STATEMENT_TIMEOUT_S", 5.0, validate=validate.Range(min=0))  # of pages and of the API

# --- cache, queue --------------------------------------------------------------------------------------------------------

REDIS_PATIENCE = {"socket_timeout": 2, "socket_connect_timeout": 1}  # seconds: somebody waits behind whatever it is asked
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL, "OPTIONS": REDIS_PATIENCE}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 10_000}}
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"  # a flushed Redis must sign nobody out

CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the reconciler owns retries: a crashing image cannot loop
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_TASK_ROUTES = {
    "webapp.explore.tasks.*": {"queue": "query"},
    "webapp.library.tasks.run_job": {"queue": "jobs"},
    **{f"webapp.library.tasks.{name}": {"queue": "embed"} for name in ("embed", "embed_texts", "optimise", "publish", "settle")},
}
CELERY_TASK_QUEUES = [Queue(name) for name in ("ingest", "embed", "query", "jobs")]
CELERY_TASK_SOFT_TIME_LIMIT = None if EMBEDDED else 240
CELERY_TASK_TIME_LIMIT = None if EMBEDDED else 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"polling_interval": 0.05}
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 3,
        "socket_connect_timeout": 1,
        # of whoever sends, who has somebody waiting: a message that is lost is found again; workers have their own patience
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.1,
    }
RECONCILE_EVERY_S = 30


def _every(seconds: int, task: str, queue: str) -> dict[str, Any]:
    """Of beat. What still waits when its next turn comes is dropped."""
    return {"task": f"webapp.{task}", "schedule": seconds, "options": {"queue": queue, "expires": seconds}}


CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "reconcile": {"task": "webapp.library.tasks.reconcile", "schedule": RECONCILE_EVERY_S, "options": {"queue": "ingest"}}
}
if not QDRANT_URL:  # a server optimises by itself; where too little is unindexed to pay, nothing happens
    CELERY_BEAT_SCHEDULE["optimise"] = _every(600, "library.tasks.optimise", "embed")

# --- people --------------------------------------------------------------------------------------------------------------

SIGN_UP = env.bool("SIGN_UP", default=False)  # accounts without an invitation, in no team
TEAM_MAKING: str = env.str("TEAM_MAKING", "administrators", validate=validate.OneOf(["administrators", "everyone"]))

# --- signing in ----------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "webapp.accounts.passwords.Passwords"]
_whose = validate.OneOf(["optional", "staff", "everyone"])  # accounts must have one
SECOND_FACTOR: str = env.str("SECOND_FACTOR", "optional" if EMBEDDED else "staff", validate=_whose)
OIDC_PROVIDERS = oidc.providers(
    env.str("OIDC_PROVIDERS", ""),
    {
        "id": "oidc",
        "name": env.str("OIDC_NAME", ""),
        "issuer": env.str("OIDC_ISSUER", ""),
        "client_id": env.str("OIDC_CLIENT_ID", ""),
        "client_secret": env.str("OIDC_CLIENT_SECRET", ""),
        "trust_email": env.bool("OIDC_TRUST_EMAIL", default=False),
    },
)

ACCOUNT_ADAPTER = "webapp.accounts.engine.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_CHANGE_EMAIL = True  # one address an account: a new one takes the old one's place when it is confirmed
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_RATE_LIMITS = False  # they need a cache that answers; accounts/limits.py and accounts/locking.py count instead
ACCOUNT_FORMS = {
    "login": "webapp.accounts.sign_in_forms.SignIn",
    "change_password": "webapp.accounts.sign_in_forms.ChangePassword",
    "set_password": "webapp.accounts.sign_in_forms.SetPassword",
    "reset_password": "webapp.accounts.sign_in_forms.ResetPassword",
    "reset_password_from_key": "webapp.accounts.sign_in_forms.NewPassword",
    "reauthenticate": "webapp.accounts.sign_in_forms.ConfirmPassword",
    "add_email": "webapp.accounts.sign_in_forms.ChangeEmail",
}
MFA_ADAPTER = "webapp.accounts.second_factors.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Conchive"
MFA_TOTP_TOLERANCE = 1  # a phone's clock may be half a minute off
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses decide nothing here
MFA_RATE_LIMITS = False
MFA_FORMS = {
    "authenticate": "webapp.accounts.sign_in_forms.SecondFactor",
    "reauthenticate": "webapp.accounts.sign_in_forms.ConfirmCode",
    "activate_totp": "webapp.accounts.sign_in_forms.AddApp",
    "login_webauthn": "webapp.accounts.sign_in_forms.PasskeyAlone",
    "authenticate_webauthn": "webapp.accounts.sign_in_forms.PasskeyBeside",
    "reauthenticate_webauthn": "webapp.accounts.sign_in_forms.ConfirmPasskey",
    "add_webauthn": "webapp.accounts.sign_in_forms.AddPasskey",
    "edit_webauthn": "webapp.accounts.sign_in_forms.RenamePasskey",
}
SOCIALACCOUNT_ADAPTER = "webapp.accounts.providers.ProviderAdapter"
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": OIDC_PROVIDERS}}
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False

AXES_FAILURE_LIMIT: int = env.int("SIGN_IN_TRIES", 5, validate=validate.Range(min=1))
AXES_COOLOFF_TIME = timedelta(minutes=env.int("SIGN_IN_LOCK_MINUTES", 15, validate=validate.Range(min=1)))
AXES_LOCKOUT_PARAMETERS = "webapp.accounts.locking.counted_by"
AXES_USERNAME_CALLABLE = "webapp.accounts.locking.who"
AXES_CLIENT_IP_CALLABLE = "webapp.accounts.locking.address_of"
AXES_LOCKOUT_CALLABLE = "webapp.accounts.locking.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "credential", "oldpassword", "csrfmiddlewaretoken"]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # the audit trail has it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- mail ----------------------------------------------------------------------------------------------------------------

_mail: dict[str, Any] = {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
if env.str("EMAIL_URL", ""):
    _mail = env.dj_email_url("EMAIL_URL")
if "EMAIL_BACKEND" not in _mail:
    raise ImproperlyConfigured("EMAIL_URL: smtp://user:password@host:25, or submission:// for TLS.")
MAILS = "EMAIL_HOST" in _mail  # else nothing offers to send any
EMAIL_BACKEND: str = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST") or "localhost", _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER") or "", _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_TLS")), bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_FILE_PATH: str = _mail.get("EMAIL_FILE_PATH") or ""
EMAIL_TIMEOUT: int = _mail.get("EMAIL_TIMEOUT") or 10  # seconds
DEFAULT_FROM_EMAIL: str = env.str("EMAIL_FROM", "conchive@localhost")
WATCH_EVERY_S: int = env.int("WATCH_EVERY_S", 60, validate=validate.Range(min=5, max=86_400))  # over watched searches
CELERY_BEAT_SCHEDULE["match watches"] = _every(WATCH_EVERY_S, "explore.tasks.match_watches", "query")
ACCOUNT_EMAIL_NOTIFICATIONS = MAILS
if MAILS:
    CELERY_BEAT_SCHEDULE["mail watches"] = _every(3600, "explore.tasks.mail_watches", "query")

# --- audit ---------------------------------------------------------------------------------------------------------------

AUDIT_QUERIES: str = env.str("AUDIT_QUERIES", "hashed", validate=validate.OneOf(["plain", "hashed", "off"]))
AUDIT_DAYS: int = env.int("AUDIT_DAYS", 0, validate=validate.Range(min=0))
CELERY_BEAT_SCHEDULE["forget old events"] = {"task": "webapp.accounts.tasks.forget_old_events", "schedule": 3600}

# --- shared links --------------------------------------------------------------------------------------------------------

GUEST_LINKS = env.bool("GUEST_LINKS", default=False)  # links that open without an account
LINK_MAX_DAYS: int = env.int("LINK_MAX_DAYS", 365, validate=validate.Range(min=1, max=365))

# --- rates ---------------------------------------------------------------------------------------------------------------

RATES: dict[str, str] = {  # "" is no limit
    "search": env.str("RATE_SEARCH", "240/minute"),
    "upload": env.str("RATE_UPLOAD", "60/minute"),
    "export": env.str("RATE_EXPORT", "30/minute"),
    "sign-in": env.str("RATE_SIGN_IN", "20/minute"),
    "api": env.str("RATE_API", "6000/minute"),
    "link": env.str("RATE_LINK", "30/minute"),
    "mail": env.str("RATE_MAIL", "10/hour"),
}
SEARCHES_AT_ONCE: int = env.int("SEARCHES_AT_ONCE", 4, validate=validate.Range(min=1))

# --- encoder -------------------------------------------------------------------------------------------------------------

CONCHIVE_ENCODER: str = env.str("CONCHIVE_ENCODER", "mini", validate=validate.OneOf(["mini", "conch", "clip", "fake"]))
CONCH_WEIGHTS: str = env.str("CONCH_WEIGHTS", "")
CONCH_TOKENIZER: str = env.str("CONCH_TOKENIZER", "")
CONCH_SHA256: str = env.str("CONCH_SHA256", "")
CLIP_WEIGHTS: str = env.str("CLIP_WEIGHTS", "")
ENCODER_DEVICE: str = env.str("ENCODER_DEVICE", "auto")
ENCODER_DTYPE: str = env.str("ENCODER_DTYPE", "auto")
ENCODE_QUERIES_HERE = env.bool("ENCODE_QUERIES_HERE", default=EMBEDDED)  # else by the queue "query": the web stays torch-free
QUERY_TIMEOUT_S: float = env.float("QUERY_TIMEOUT_S", 5.0)
QUERY_PICTURE_DAYS: int = env.int("QUERY_PICTURE_DAYS", 30, validate=validate.Range(min=1))
CELERY_BEAT_SCHEDULE["forget query pictures"] = _every(3600, "explore.tasks.forget_query_pictures", "query")
if not ENCODE_QUERIES_HERE:  # query workers warm up and say how they are
    CELERY_BEAT_SCHEDULE["encoder state"] = _every(30, "explore.tasks.tell_encoder_state", "query")

# --- ingest --------------------------------------------------------------------------------------------------------------

MAX_FILE_BYTES: int = env.int("MAX_FILE_BYTES", 2**30)
MAX_ARCHIVE_BYTES: int = env.int("MAX_ARCHIVE_BYTES", 32 * 2**30)
MAX_SIDECAR_BYTES: int = env.int("MAX_SIDECAR_BYTES", 2**20)
MAX_FILES_AN_UPLOAD: int = env.int("MAX_FILES_AN_UPLOAD", 100_000)
TEAM_MAX_BYTES: int = env.int("TEAM_MAX_BYTES", 2**40)
TEAM_MAX_FILES: int = env.int("TEAM_MAX_FILES", 1_000_000)
FREE_SPACE_BYTES: int = env.int("FREE_SPACE_BYTES", 2 * 2**30)  # of this and the share below, the smaller
FREE_SPACE_SHARE: float = env.float("FREE_SPACE_SHARE", 0.05, validate=validate.Range(min=0, max=1))
TUS_EXPIRES_H: float = env.float("TUS_EXPIRES_H", 72.0, validate=validate.Range(min=1))
MAX_ARCHIVE_FILES: int = env.int("MAX_ARCHIVE_FILES", 100_000)
MAX_ARCHIVE_FILES_FORM: int = env.int("MAX_ARCHIVE_FILES_FORM", 5000)
MAX_UNPACKED_BYTES: int = env.int("MAX_UNPACKED_BYTES", 50 * 2**30)
MAX_UNPACKED_BYTES_FORM: int = env.int("MAX_UNPACKED_BYTES_FORM", 5 * 2**30)
_named_folders: list[str] = env.list("IMPORT_FOLDERS", [])
IMPORT_FOLDERS = [Path(each.strip()) for each in _named_folders if each.strip()]
if not all(map(Path.is_absolute, IMPORT_FOLDERS)):
    raise ImproperlyConfigured("IMPORT_FOLDERS: a folder is named by its absolute path.")
MAX_PIXELS: int = env.int("MAX_PIXELS", 100_000_000)
MAX_PAGES: int = env.int("MAX_PAGES", 200, validate=validate.Range(min=1))
ORIGINALS: str = env.str("ORIGINALS", "keep", validate=validate.OneOf(["keep", "encrypt", "pixels"]))
ORIGINALS_KEY_FILE: str = env.str("ORIGINALS_KEY_FILE", "")
FAILED_ORIGINAL_HOURS: int = env.int("FAILED_ORIGINAL_HOURS", 168, validate=validate.Range(min=0))
DECODE_WORKERS: int = env.int("DECODE_WORKERS", 2)
DECODE_TIMEOUT_S: float = env.float("DECODE_TIMEOUT_S", 60.0)
LEASE_S: int = env.int("LEASE_S", 120)
MAX_ATTEMPTS: int = env.int("MAX_ATTEMPTS", 3)
TABLE_MAX_BYTES: int = env.int("TABLE_MAX_BYTES", 50 * 2**20)
TABLE_MAX_ROWS: int = env.int("TABLE_MAX_ROWS", 1_000_000)
CELERY_BEAT_SCHEDULE["forget tables"] = _every(3600, "library.tasks.forget_tables", "ingest")
NEAR_DUPLICATE_COSINE: float = env.float("NEAR_DUPLICATE_COSINE", 0.0, validate=validate.Range(min=0, max=1))  # 0: by encoder
DATA_UPLOAD_MAX_NUMBER_FILES: int = env.int("MAX_FILES_A_REQUEST", 1000)
FILE_UPLOAD_TEMP_DIR = str(UPLOADS)
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]  # bytes never pile up in memory

# --- files ---------------------------------------------------------------------------------------------------------------

S3_BUCKET: str = env.str("S3_BUCKET", "")  # without one, files lie in the data folder
S3_ENDPOINT: str = env.str("S3_ENDPOINT", "").rstrip("/")
S3_REGION: str = env.str("S3_REGION", "")
S3_PREFIX: str = env.str("S3_PREFIX", "").strip("/")
S3_ACCESS_KEY: str = env.str("S3_ACCESS_KEY", "")
S3_SECRET_KEY: str = env.str("S3_SECRET_KEY", "")
S3_ENCRYPTION: str = env.str("S3_ENCRYPTION", "", validate=validate.OneOf(["", "AES256", "aws:kms", "aws:kms:dsse"]))

# --- pictures ------------------------------------------------------------------------------------------------------------

ACCEL_PREFIX: str = env.str("ACCEL_PREFIX", "")  # nginx sends the files itself, after a view has asked for the right

# --- identity ------------------------------------------------------------------------------------------------------------

IDENTITY_CHECK: str = env.str("IDENTITY_CHECK", "hold", validate=validate.OneOf(["hold", "note", "off"]))

# --- trash ---------------------------------------------------------------------------------------------------------------

TRASH_DAYS: int = env.int("TRASH_DAYS", 30, validate=validate.Range(min=1))
CELERY_BEAT_SCHEDULE["empty trash"] = _every(3600, "library.tasks.empty_trash", "ingest")

# --- static files, security ----------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "static_built")))
STATICFILES_DIRS: list[Path | tuple[str, Path]] = [BASE_DIR / "webapp" / "static"]
_OPENSEADRAGON = BASE_DIR / "node_modules" / "openseadragon" / "build" / "openseadragon"  # by `npm ci`, with its source map
VIEWER = (_OPENSEADRAGON / "openseadragon.min.js").is_file()  # else pages show images plainly
if VIEWER:
    STATICFILES_DIRS.append(("openseadragon", _OPENSEADRAGON))
_TUS = BASE_DIR / "node_modules" / "tus-js-client" / "dist"
RESUMABLE = (_TUS / "tus.min.js").is_file()  # else the upload form sends all files at once
if RESUMABLE:
    STATICFILES_DIRS.append(("tus-js-client", _TUS))
if DEBUG:
    STATIC_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"
elif EMBEDDED:  # hashed names only: compressing takes half a minute at the first start, and saves little inside a house
    STATIC_STORAGE = "webapp.serving.static_files.HashedNames"
else:
    STATIC_STORAGE = "webapp.serving.static_files.HashedAndCompressed"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # built by one user and served by another, unlike what people upload
    "staticfiles": {"BACKEND": STATIC_STORAGE, "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755}},
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- seen from outside ---------------------------------------------------------------------------------------------------

METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")  # without one, only this machine is told
METRICS_PORT: int = env.int("METRICS_PORT", 0, validate=validate.Range(min=0, max=65535))  # of a worker; 0: tells nothing
PROMETHEUS_MULTIPROC_DIR: str = env.str("PROMETHEUS_MULTIPROC_DIR", "")  # prometheus_client reads it from the environment itself
if PROMETHEUS_MULTIPROC_DIR:
    Path(PROMETHEUS_MULTIPROC_DIR).mkdir(parents=True, exist_ok=True)
LOG_FORMAT: str = env.str("LOG_FORMAT", "line" if EMBEDDED else "json", validate=validate.OneOf(["line", "json"]))

keep_discreet()  # before anything is logged, whoever logs it
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"traced": {"()": "webapp.logs.Traced"}},
    "formatters": {
        "line": {"()": "webapp.logs.Lines", "format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "webapp.logs.JsonLines"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["traced"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        name: {"level": "WARNING"} for name in ("axes", "boto3", "botocore", "celery", "httpx", "s3transfer", "urllib3")
    },  # a line a task or request would hide the rest
}
