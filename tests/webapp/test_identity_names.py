from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from webapp.library import identity
from webapp.library.identity_defaults import DEFAULTS
from webapp.library.models import IdentityPattern

pytestmark = pytest.mark.usefixtures("patterns")


LOOKS_LIKE_A_PATIENT = """
ZZPHI-DOE-JANE-19570312-MRN00417_S24-1234.jpg
S24-1234.jpg
s24-1234_HE_40x.jpg
scan_S-2024-012345.svs
H/S23-00123/img1.png
E24-12345 Kolon.tif
MRN00417.jpg
MRN 0041712.png
patient_id_0041712.png
Patient-Nr. 123456.tif
Doe, Jane.jpg
DOE, JANE 1957.jpg
Müller, Änne HE.jpg
O'Brien, Mary.tif
Doe^Jane.dcm
DOE^JANE^A.dcm
1957-03-12.jpg
12.03.1957 biopsy.jpg
03-12-1957.jpg
DOB 12.3.57.jpg
geb_12031957.jpg
born 2004-05-06.jpg
123-45-6789.jpg
756.1234.5678.97.png
570312-9834.png
RSSMRA85T10A562S.jpg
jane.doe@example.org.jpg
+49 30 1234567.jpg
Frau Müller HE.jpg
Mrs_Smith.png
patient_name_Jane.jpg
Patient: Doe.jpg
accession no 2412345.tif
SSN 123456789.jpg
"""
ORDINARY = """
Normal_100x_18.jpg
IMG_20240312_153012.jpg
DSC_0412.JPG
DSC00412.JPG
PXL_20240312_153012345.jpg
2019-02-27 15.26.36.ndpi
slide-2022-12-19T12-34-56-R1-S1.mrxs
20240312-1530.jpg
240312-1530.jpg
CD20-0012.jpg
CK20_0003.tif
P53-0012.jpg
KI67-003.tif
HER2-0012.tif
x20-0012.tif
20x-0012.tif
PT1-0012.tif
TCGA-CS-4941-01Z-00-DX1.svs
TCGA-02-0010-01Z-00-DX4.07de2e55-a8fe-40ee-9e98-bcb78050b9f7.svs
TCGA-S9-A7IQ-01Z-00-DX1.svs
GTEX-1117F-0126.svs
CPTAC/C3L-00001-21.svs
patient_020_node_4.tif
tumor_001.tif
0005f7aaab2800f6170c399693a96917.tiff
Kidney, cortex.jpg
DAB, Ki-67 76.jpg
Strongly brown, Ki-67.png
Colon, Adenocarcinoma.jpg
Lung, HE 20x.jpg
Liver, Masson Trichrome.tif
Pancreas, Rat.tif
1.2.840.113619.2.55.19980312.123.dcm
img@2x.png
Screenshot 2024-03-12 at 15.30.12.png
WhatsApp Image 2024-03-12 at 15.30.12.jpeg
Snap-123.jpg
Image_0001.tif
case12_slide3_field7.tif
B12_0034.jpg
C4d_0012.jpg
Bild 12, Übersicht.jpg
Zeiss AxioScan, Detail.czi
S100-0012.jpg
S100_0012.tif
"""


@pytest.mark.parametrize("name", LOOKS_LIKE_A_PATIENT.strip().splitlines())
def test_a_name_with_a_patients_identity_is_found(name):
    assert identity.in_name(name)


@pytest.mark.parametrize("name", ORDINARY.strip().splitlines())
def test_an_ordinary_name_is_left_alone(name):
    assert identity.in_name(name) == []


def test_every_default_is_there_and_fits_its_field():
    rows = {row.name: (row.pattern, row.unless) for row in IdentityPattern.objects.all()}
    assert rows == {each.name: (each.pattern, each.unless) for each in DEFAULTS}
    assert max(len(text) for pair in rows.values() for text in pair) <= 1000


def test_folders_are_part_of_the_name():
    assert identity.in_name("Doe^Jane/biopsy/40x.png") == ["name as DICOM writes it"]


def test_a_pattern_that_is_switched_off_or_meant_for_headers_finds_nothing_in_names():
    IdentityPattern.objects.filter(name="medical record number").update(enabled=False)
    IdentityPattern.objects.filter(name="accession number").update(in_names=False)
    assert identity.in_name("MRN00417 S24-1234.png") == []


def test_many_names_are_searched_with_one_question_to_the_database():
    with CaptureQueriesContext(
        connection,
    ) as asked:
        rules = identity.for_names()
        assert all(not identity.in_name(f"field-{number}.png", rules) for number in range(50))
    assert len(asked) == 1
