"""What is stored. SQL is the truth and the queue; files and the vector index follow from it."""

from webapp.library.models.changes import Entry, ImageChange, Source
from webapp.library.models.collections import Collection, Visibility
from webapp.library.models.duplicates import DuplicatePair, Likeness
from webapp.library.models.fields import FieldDefinition, FieldKind, TableMapping
from webapp.library.models.identity import IdentityPattern
from webapp.library.models.images import AT_REST, REPLACEABLE, Caption, Image, Kept, Region, State
from webapp.library.models.jobs import Job, JobState
from webapp.library.models.texts import Term, TermKind, Vocabulary, text_key
from webapp.library.models.uploads import ItemState, Kind, Upload, UploadItem
from webapp.library.models.vectors import Embedding, KnownEncoder, TextEmbedding

__all__ = [
    "AT_REST",
    "REPLACEABLE",
    "Caption",
    "Collection",
    "DuplicatePair",
    "Embedding",
    "Entry",
    "FieldDefinition",
    "FieldKind",
    "IdentityPattern",
    "Image",
    "ImageChange",
    "ItemState",
    "Job",
    "JobState",
    "Kept",
    "Kind",
    "KnownEncoder",
    "Likeness",
    "Region",
    "Source",
    "State",
    "TableMapping",
    "Term",
    "TermKind",
    "TextEmbedding",
    "Upload",
    "UploadItem",
    "Visibility",
    "Vocabulary",
    "text_key",
]
