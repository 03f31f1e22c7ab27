"""What people choose about a table, and about a collection's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from webapp.library.field_rules import CLOSABLE, OWN, folded
from webapp.library.measures import METRES, unit_called
from webapp.library.metadata import LENGTHS, MAX_EXTRA
from webapp.library.models import Collection, FieldDefinition, FieldKind, TableMapping
from webapp.library.portrait import sentence_case
from webapp.library.tables import Mapping, Sheet
from webapp.library.tables.mapping import IGNORED
from webapp.library.tables.sheet import shown

if TYPE_CHECKING:
    DefinitionForm = forms.ModelForm[FieldDefinition]
else:
    DefinitionForm = forms.ModelForm

NEW = "new:"  # before the name of a field that only this table knows so far
MOST_CHOICES, CHOICE_LENGTH = 500, 120
KINDS = {FieldKind.TEXT: "any text", FieldKind.CHOICE: "one of a list", FieldKind.NUMBER: "a number", FieldKind.DATE: "a date"}


class TableFile(forms.Form):
    table = forms.FileField(
        label="Table", help_text="CSV or XLSX, a row an image.", widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.xlsx,.xlsm"})
    )


class HowItIsRead(forms.Form):
    """One select a column, as the mapping says it; ``wanted`` is what was chosen, in the shape of Mapping.as_dict()."""

    match = forms.ChoiceField(label="Images are named by", choices=TableMapping.Match.choices)
    key_column = forms.ChoiceField(label="in the column")

    def __init__(self, data: Any = None, *, sheet: Sheet, mapping: Mapping, collection: Collection) -> None:
        super().__init__(data)
        self._sheet = sheet
        self.fields["match"].initial = mapping.match
        self.fields["key_column"] = forms.ChoiceField(
            label="in the column",
            choices=[("", "choose a column"), *((heading, heading) for heading in sheet.headings)],
            initial=mapping.key_column,
        )
        further = _further(collection, mapping)
        for number, heading in enumerate(sheet.headings):
            self.fields[f"column-{number}"] = forms.ChoiceField(
                label=heading,
                required=False,
                choices=_choices(heading, further),
                initial=_chosen(mapping.columns.get(heading, IGNORED)),
            )
        if len(sheet.names) > 1:
            self.fields["sheet"] = forms.ChoiceField(
                label="Sheet", choices=[(name, name) for name in sheet.names], required=False
            )

    def columns(self) -> list[tuple[forms.BoundField, list[str]]]:
        """Each column's select, with what its first cells say."""
        return [
            (self[f"column-{number}"], [told for row in self._sheet.rows[:20] if (told := shown(row.cells[number]))][:3])
            for number in range(len(self._sheet.headings))
        ]

    @property
    def wanted(self) -> dict[str, Any]:
        told = self.cleaned_data
        columns = {heading: told[f"column-{number}"] for number, heading in enumerate(self._sheet.headings)}
        return {
            "match": told["match"],
            "key_column": told["key_column"],
            "columns": {heading: name.removeprefix(NEW) for heading, name in columns.items()},
        }


def _further(collection: Collection, mapping: Mapping) -> list[str]:
    defined = [each.name for each in collection.field_definitions.all() if each.name not in OWN]
    return list(dict.fromkeys([*defined, *(name for name in mapping.columns.values() if name not in (IGNORED, *OWN))]))


def _choices(heading: str, further: list[str]) -> list[Any]:
    own = [(name, "µm per pixel" if name == "mpp" else sentence_case(name)) for name in OWN]
    as_it_is = " ".join(heading.split()).lower()[:80]
    others = list(dict.fromkeys([*further, as_it_is]))
    return [
        (IGNORED, "leave out"),
        ("The archive's own", own),
        ("Further fields", [(f"{NEW}{name}", sentence_case(name)) for name in others if name not in OWN]),
    ]


def _chosen(name: str) -> str:
    return name if name in (IGNORED, *OWN) else f"{NEW}{name}"


class DefineField(DefinitionForm):
    """``words``: of a closed list, a line each."""

    words = forms.CharField(
        label="Words of the list", required=False, widget=forms.Textarea(attrs={"rows": 6}), help_text="One a line."
    )

    class Meta:
        model = FieldDefinition
        fields: ClassVar = ["name", "kind", "words", "unit", "required"]
        widgets: ClassVar = {"kind": forms.RadioSelect}
        labels: ClassVar = {"required": "Every row of a table must say it", "kind": "What it says"}
        help_texts: ClassVar = {
            "name": "Stain, organ, finding, case or slide for the archive's own; any other name for a further field.",
            "unit": "For a number: nm, µm, mm, cm and m are converted into each other; any other unit is kept as it is.",
            "required": "",
        }

    def __init__(self, *arguments: Any, collection: Collection, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.instance.collection = collection
        self.fields["kind"].choices = list(KINDS.items())  # type: ignore[attr-defined]
        self.fields["name"].widget.attrs["list"] = "own-fields"
        self.fields["words"].initial = "\n".join(map(str, self.instance.choices))

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if folded(name) in OWN:
            name = folded(name)
            if name not in CLOSABLE:
                raise forms.ValidationError(f"What {name} says is the archive's own rule: it cannot be defined anew.")
        others = FieldDefinition.objects.filter(collection=self.instance.collection).exclude(pk=self.instance.pk)
        if folded(name) in {folded(each.name) for each in others}:
            raise forms.ValidationError("The collection has a field of that name already.")
        if others.count() >= MAX_EXTRA:
            raise forms.ValidationError(f"A collection has at most {MAX_EXTRA} fields of its own.")
        return name

    def clean_words(self) -> list[str]:
        lines = self.cleaned_data["words"].splitlines()
        words: dict[str, str] = {}
        for line in filter(str.strip, lines):
            words.setdefault(folded(line), " ".join(line.split()))
        if len(words) > MOST_CHOICES or any(len(each) > CHOICE_LENGTH for each in words.values()):
            raise forms.ValidationError(f"A list has at most {MOST_CHOICES} words of {CHOICE_LENGTH} characters.")
        return list(words.values())

    def clean(self) -> dict[str, Any]:
        told = self.cleaned_data
        name, kind, words = told.get("name", ""), told.get("kind"), told.get("words") or []
        if kind == FieldKind.CHOICE and not words and "words" in told:
            self.add_error("words", "Write the words of the list, one a line.")
        if name in OWN and kind in (FieldKind.NUMBER, FieldKind.DATE):
            self.add_error("kind", f"{sentence_case(name)} is text: any, or one of a list.")
        longest = LENGTHS.get(name, CHOICE_LENGTH)
        if any(len(word) > longest for word in words):
            self.add_error("words", f"{sentence_case(name)} has at most {longest} characters.")
        told["unit"] = unit_called(told.get("unit") or "") if kind == FieldKind.NUMBER else ""
        self.instance.choices = words if kind == FieldKind.CHOICE else []
        return told


UNITS = tuple(METRES)
