from typing import Any

from django.db import migrations, models

from webapp.library.identity_defaults import DEFAULTS


def add_defaults(apps: Any, schema_editor: Any) -> None:
    Pattern = apps.get_model("library", "IdentityPattern")
    rows = [
        Pattern(name=d.name, pattern=d.pattern, unless=d.unless, in_names=d.in_names, in_headers=d.in_headers)
        for d in DEFAULTS
    ]
    Pattern.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):

    dependencies = [
        ('library', '0005_quotas'),
    ]

    operations = [
        migrations.AlterField(
            model_name='identitypattern',
            name='pattern',
            field=models.CharField(max_length=1000),
        ),
        migrations.AddField(
            model_name='identitypattern',
            name='unless',
            field=models.CharField(blank=True, max_length=1000),
        ),
        migrations.RunPython(add_defaults, migrations.RunPython.noop),
    ]
