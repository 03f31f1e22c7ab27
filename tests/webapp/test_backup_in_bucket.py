"""A site whose files lie in a bucket is backed up, lost and brought back, as a site of its own."""

from __future__ import annotations

import pytest

from tests.webapp.buckets import Bucket
from tests.webapp.rehearsal import Rehearsal


@pytest.mark.timeout(600)
def test_a_site_in_a_bucket_is_backed_up_and_comes_back(bucket: Bucket, tmp_path):
    told = {"S3_BUCKET": bucket.name, "S3_ENDPOINT": bucket.endpoint, "S3_REGION": "us-east-1", "S3_PREFIX": "archive"}
    told |= {"S3_ACCESS_KEY": "testing", "S3_SECRET_KEY": "testing"}
    site = Rehearsal(tmp_path, **told)
    site.make(images=3)
    assert len(bucket.names()) == 9
    before = site.ask()
    site.back_up()
    assert site.back_up()["copied"] == 2  # the database and the key
    site.lose_files()
    told_back = site.restore("--force")
    assert (told_back["verify"]["clean"], site.ask()) == (True, before)
    aside = [place for place in told_back["set_aside"] if place.startswith("s3://")]
    assert len(aside) == 3
    assert sum("replaced-" in name for name in bucket.names()) == 9
