"""The identity patterns that a new archive begins with: what each finds, and what it leaves alone so as not to cry wolf.

RE2's syntax, without regard to case. FROM and TO are the borders of a word in which "_" is no letter, as file names need it.
Migration 0006 wrote these rows; administrators may have changed them since. docs/decisions/0013 has the counts of false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass

FROM, TO = r"(?:^|[^\pL\pN])", r"(?:$|[^\pL\pN])"
_GAP = r"[ :#=_.-]{0,3}"
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_YYMMDD, _DDMMYY = rf"\d{{2}}{_MONTH}{_DAY}", rf"{_DAY}{_MONTH}\d{{2}}"
_NOBODY = r"anonym|unknown|removed|redacted|deidentified|de-identified|pseudonym|not (?:given|available)|n/a|none|null"

# "Kidney, cortex" is written as "Doe, Jane" is
_ORDINARY = (
    r"H&E|HE|PAS|IHC|DAB|positive|negative|Masson|Gomori|Giemsa|Ki-?67|mice|mouse|rat|human|dog|cat|pig|rabbit|normal|tumou?r|benign|malignant|grade|"
    r"stage|left|right|upper|lower|adult|fetal|cortex|medulla|muscle|cartilage|bone|marrow|blood|skin|breast|brain|liver|kidney|"
    r"lung|heart|colon|rectum|ileum|jejunum|duodenum|stomach|o?esophagus|tongue|oral|mucosa|gland|thyroid|adrenal|pancreas|"
    r"spleen|thymus|node|tonsil|prostate|testis|ovary|uterus|cervix|bladder|nerve|artery|vein|placenta|eye|inc|llc|ltd|gmbh|"
    r"corp|jena|university|hospital|version|section|slide|stain|image|field|overview|detail|"
    r"\pL+(?:omas?|itis|osis|emia|aemia|plasia|pathy|plasm|ectomy|cyte|cytes|blast|blasts|eosin|in situ)"
)


@dataclass(frozen=True)
class Default:
    name: str
    pattern: str
    unless: str = ""
    in_names: bool = True
    in_headers: bool = True


DEFAULTS = (
    Default(
        "medical record number",
        rf"{FROM}(?:MRN|(?:medical|med)[ _.-]?rec(?:ord)?s?{_GAP}(?:no|nr|number)?|(?:patient|pat|hosp|hospital)[ _.-]?"
        rf"(?:id|ids|no|nr|num|number|nummer)|fallnummer|fallnr){_GAP}[A-Z]{{0,3}}[ -]?\d{{4,}}",
    ),
    Default(
        "accession number",
        rf"{FROM}(?:S|SP|SU|SS|SB|SN|H|HP|HS|B|BX|C|CY|N|NP|NB|A|AU|D|DP|F|FN|FS|G|GS|M|MS|K|L|E|R|T|U|V|W)[ -]?"
        rf"(?:19|20)?\d{{2}}[-‐‑–]\d{{3,7}}{TO}|(?:accession|acc)[ _.-]?(?:no|nr|num|number){_GAP}[A-Z]{{0,4}}[ -]?\d{{2,}}",
    ),
    Default(
        # pictures are younger than 2000, patients are not: a date of the last century is hardly the day of a scan. Cameras
        # whose clock was never set write 1970:01:01 and 1980:01:01, with colons.
        "date of birth",
        rf"(?:^|[^\pL\pN.])(?:19\d{{2}}([-_. /]?){_MONTH}[-_. /]?{_DAY}|{_DAY}[-_. /]{_MONTH}[-_. /]19\d{{2}}|{_MONTH}[-_. /]"
        rf"{_DAY}[-_. /]19\d{{2}}|{_DAY}{_MONTH}19\d{{2}}){TO}|{FROM}(?:DOB|D\.O\.B\.?|born|birth[ _-]?(?:date|day)|"
        rf"date[ _-]of[ _-]birth|geb|geboren|geburtsdatum|n[ée]e?[ _]le){_GAP}\d{{1,4}}[-_. /]?\d{{1,2}}[-_. /]?\d{{1,4}}",
        unless=r"^/1999/02/22-$",  # as XMP says what language it is in: http://www.w3.org/1999/02/22-rdf-syntax-ns
    ),
    Default(
        "last name, first name",
        rf"{FROM}(?-i:\p{{Lu}}[\pL'’-]+, ?\p{{Lu}}[\pL'’-]*\pL)(?:$|[^\pL\pN-])",
        unless=rf"{FROM}(?:{_ORDINARY}){TO}",
    ),
    Default("name as DICOM writes it", rf"{FROM}\pL[\pL'’. -]+\^+\pL+", unless=_NOBODY),
    Default(
        "labelled name",
        rf"{FROM}(?:(?:patient|pat)(?:en|s|'s)?[ _-]?name|(?:first|last|given|family)[ _-]?name|surname|vorname|nachname|"
        rf"nom[ _]du[ _]patient|apellidos|patient(?:in)?[ ]?[:=])[ _]?[:=_-]?[ ]?[\pL'’-]{{2,}}",
        unless=_NOBODY,
    ),
    Default("form of address", rf"{FROM}(?-i:Mrs|Mr|Ms|Miss|Frau|Herr|Herrn|Mme|Señora?)[._ ]{{1,2}}(?-i:\p{{Lu}}\pL+){TO}"),
    Default(
        "national identity number",
        r"(?:^|[^\pL\pN.-])(?:"
        r"\d{3}-\d{2}-\d{4}|"  # United States
        r"756\.\d{4}\.\d{4}\.\d{2}|"  # Switzerland
        rf"(?:{_YYMMDD}|{_DDMMYY})[-+]\d{{4}}|"  # Sweden, Denmark
        rf"{_DDMMYY}[-+A]\d{{3}}[0-9A-Y]|"  # Finland
        rf"{_YYMMDD}-[1-8]\d{{6}}|"  # Korea
        rf"\d{{6}}(?:19|20)\d{{2}}{_MONTH}{_DAY}\d{{3}}[\dX]|"  # China
        r"\d{3}\.\d{3}\.\d{3}-\d{2}|"  # Brazil
        r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]|"  # Italy
        rf"[12] ?\d{{2}} ?{_MONTH} ?\d[\dAB] ?\d{{3}} ?\d{{3}} ?\d{{2}}"  # France
        rf"){TO}|{FROM}(?:SSN|NHS|BSN|AHV|CPR|PESEL|DNI|NIE|CPF|KVNR|Aadhaar|PPSN|NIR|TCKN|social[ _-]security)"
        rf"(?:[ _-]?(?:no|nr|number))?{_GAP}[A-Z]?\d[\d .-]{{6,}}",
        unless=r"^[^\d]?\d{6}-(?:[01]\d|2[0-3])[0-5]\d[^\d]?$",  # a day and the time of day
    ),
    Default("e-mail address", r"[\pL\pN._%+-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)*\.[A-Z]{2,24}", unless=r"@\dx\."),
    Default(
        "telephone number",
        rf"(?:^|[^\pL\pN.])(?:\+\d{{1,3}}[ ./()-]{{0,2}}(?:\d[ ./()-]{{0,2}}){{7,11}}\d|\(\d{{3}}\) ?\d{{3}}-\d{{4}}|"
        rf"(?:tel|phone|mobile|telefon|fax){_GAP}\+?\(?\d[\d ()./-]{{6,}})",
    ),
    Default("position on the map", r"^GPS position$", in_names=False),
    Default("patient's details filled in", r"^patient details filled in$", in_names=False),
)
