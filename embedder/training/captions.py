"""The words an image may be trained with: its own caption, its bare label, synonyms, and the label in ordinary phrases."""

from __future__ import annotations

from collections.abc import Sequence

ANY_STAIN = ("{}", "an image of {}", "microscopic image of {}", "photomicrograph of {}", "{} is shown", "histology of {}")
H_AND_E = ("H&E section of {}", "H&E image of {}", "an H&E stained image of {}", "H&E stained tissue section, {}", "{}, H&E")

# Words people type for the demonstration's labels; each is true of every image of the label.
SYNONYMS = {
    "oral squamous cell carcinoma": ("OSCC", "squamous cell carcinoma of the oral cavity", "oral cancer"),
    "normal oral epithelium": ("normal squamous epithelium", "healthy oral mucosa"),
    "adipose tissue": ("fat", "adipocytes"),
    "lymphocytes": ("lymphoid tissue", "lymphocyte aggregate"),
    "mucus": ("mucin", "extracellular mucus"),
    "smooth muscle": ("muscle", "muscularis propria"),
    "normal colon mucosa": ("normal colonic mucosa", "healthy colon crypts"),
    "cancer-associated stroma": ("tumour stroma", "tumor stroma", "desmoplastic stroma"),
    "colorectal adenocarcinoma epithelium": ("colorectal adenocarcinoma", "colorectal cancer epithelium"),
    "Ki-67 immunohistochemistry": ("Ki-67", "Ki67 IHC", "brown DAB nuclei"),
    "FHL2 immunohistochemistry, colonic glands": ("FHL2", "FHL2 IHC in colonic glands"),
    "head and neck squamous cell carcinoma case (TCGA), region not annotated": ("head and neck squamous cell carcinoma",),
    "prostate adenocarcinoma case (TCGA), region not annotated": ("prostate adenocarcinoma", "prostate cancer"),
}


def phrases(label: str, caption: str, synonyms: Sequence[str] = ()) -> tuple[str, ...]:
    """Every text that may stand beside an image. The bare label and the caption come more than once: users type labels.

    Phrases that say H&E are used only where the caption says it: of a blood smear they would be false.
    """
    names = [label, *SYNONYMS.get(label, ()), *synonyms]
    if label.startswith("peripheral blood smear, "):
        names.append(label.removeprefix("peripheral blood smear, "))
    templates = ANY_STAIN + (H_AND_E if "H&E" in caption else ())
    plain = [template.format(name) for name in names for template in templates]
    often = max(1, len(plain) // 4)
    return (*plain, *[label] * often, *[caption] * often)
