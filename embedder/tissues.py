"""The catalogue of tissues that samples.py can draw: what each is called, how it is stained, what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedder.field import Field
from embedder.painters import connective, crowds, glandular, markers, organs, smears

HE, IHC, GIEMSA, TRICHROME = "H&E", "immunohistochemistry, DAB", "May-Grünwald-Giemsa", "Masson's trichrome"


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """``captions``: sentences whose {blanks} the painter fills; ``width_um``: range of the field's side in micrometres."""

    paint: Callable[[Field], dict[str, str]]
    label: str
    captions: tuple[str, ...]
    organ: str
    stain: str
    finding: str
    width_um: tuple[float, float]
    synonyms: tuple[str, ...] = ()


TISSUES: Mapping[str, Tissue] = {
    # --- fat, muscle, collagen, cartilage, bone ------------------------------------------------------------------------
    "adipose": Tissue(
        paint=connective.adipose,
        label="adipose tissue",
        synonyms=("fat", "adipocytes", "white fat cells"),
        captions=(
            "Adipose tissue: {cells} adipocytes with empty cytoplasm and thin walls, H&E",
            "Fat cells like a white net, their flat nuclei pushed to the rim, H&E",
        ),
        organ="soft tissue",
        stain=HE,
        finding="normal",
        width_um=(300, 420),
    ),
    "smooth_muscle": Tissue(
        paint=connective.smooth_muscle,
        label="smooth muscle",
        synonyms=("muscularis propria", "bundles of smooth muscle"),
        captions=(
            "Smooth muscle: parallel pink fibres with cigar-shaped nuclei, H&E",
            "Bundles of smooth muscle cut lengthwise, muscularis propria of the colon, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="normal",
        width_um=(170, 260),
    ),
    "stroma": Tissue(
        paint=connective.stroma,
        label="cancer-associated stroma",
        synonyms=("desmoplastic stroma", "tumour stroma", "collagenous stroma"),
        captions=(
            "Desmoplastic stroma: swirling collagen with plump fibroblasts, H&E",
            "Cancer-associated stroma, wavy collagen and scattered spindle cells, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="desmoplasia",
        width_um=(170, 260),
    ),
    "skeletal_muscle": Tissue(
        paint=connective.skeletal_muscle,
        label="skeletal muscle",
        synonyms=("striated muscle", "muscle fibres in cross-section"),
        captions=(
            "Skeletal muscle in cross-section: polygonal fibres with nuclei at the edge, H&E",
            "Striated muscle fibres cut across, peripheral nuclei, H&E",
        ),
        organ="skeletal muscle",
        stain=HE,
        finding="normal",
        width_um=(180, 260),
    ),
    "cartilage": Tissue(
        paint=connective.cartilage,
        label="hyaline cartilage",
        synonyms=("cartilage", "chondrocytes in lacunae"),
        captions=(
            "Hyaline cartilage: chondrocytes in lacunae within a blue-grey matrix, H&E",
            "Cartilage with paired chondrocytes in their lacunae, H&E",
        ),
        organ="trachea",
        stain=HE,
        finding="normal",
        width_um=(150, 230),
    ),
    "bone": Tissue(
        paint=connective.bone,
        label="bone with marrow",
        synonyms=("lamellar bone", "bone trabecula"),
        captions=(
            "Trabecula of lamellar bone beside bone marrow, H&E",
            "Bone with osteocytes in lacunae, fat cells and blood-forming marrow around it, H&E",
        ),
        organ="bone",
        stain=HE,
        finding="normal",
        width_um=(190, 260),
    ),
    # --- crowds of cells and what is left of them ----------------------------------------------------------------------
    "lymphocytes": Tissue(
        paint=crowds.lymphocytes,
        label="lymphocytes",
        synonyms=("lymphocyte sheet", "lymphoid tissue", "lymphocytic infiltrate"),
        captions=(
            "Sheet of {crowd} small lymphocytes with round dark nuclei, H&E",
            "Lymphoid tissue, {crowd} lymphocytes, H&E",
        ),
        organ="lymph node",
        stain=HE,
        finding="lymphocytic infiltrate",
        width_um=(110, 190),
    ),
    "necrosis": Tissue(
        paint=crowds.necrosis,
        label="necrosis",
        synonyms=("necrotic debris", "tumour necrosis", "dead tissue"),
        captions=(
            "Necrosis: granular pink debris, ghost outlines of cells and nuclear dust, H&E",
            "Necrotic tumour with ghost cells and debris, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="necrosis",
        width_um=(130, 220),
    ),
    "haemorrhage": Tissue(
        paint=crowds.haemorrhage,
        label="haemorrhage",
        synonyms=("hemorrhage", "bleeding", "red blood cells in tissue"),
        captions=(
            "Haemorrhage: packed red blood cells with a stray leukocyte, H&E",
            "Extravasated erythrocytes, fresh bleeding into tissue, H&E",
        ),
        organ="soft tissue",
        stain=HE,
        finding="haemorrhage",
        width_um=(110, 180),
    ),
    "psammoma": Tissue(
        paint=crowds.psammoma,
        label="psammoma bodies",
        synonyms=("calcification", "calcified bodies", "lamellated calcifications"),
        captions=(
            "Psammoma bodies: round lamellated calcifications in fibrous tissue, H&E",
            "Calcification with concentric rings, psammoma bodies of a meningioma, H&E",
        ),
        organ="meninges",
        stain=HE,
        finding="calcification",
        width_um=(170, 240),
    ),
    "melanoma": Tissue(
        paint=crowds.melanoma,
        label="malignant melanoma",
        synonyms=("melanoma", "pigmented tumour", "melanin pigment"),
        captions=(
            "Malignant melanoma: nests of plump cells with nucleoli and brown melanin pigment, H&E",
            "Melanoma with coarse brown pigment in tumour cells, H&E",
        ),
        organ="skin",
        stain=HE,
        finding="malignant melanoma",
        width_um=(130, 200),
    ),
    "blank": Tissue(
        paint=crowds.blank,
        label="blank glass",
        synonyms=("background", "empty slide", "no tissue"),
        captions=("Blank glass beside the tissue, a few specks of dust", "Empty background of a slide, no tissue"),
        organ="none",
        stain="none",
        finding="no tissue",
        width_um=(150, 300),
    ),
    # --- glands --------------------------------------------------------------------------------------------------------
    "crypts": Tissue(
        paint=glandular.crypts,
        label="normal colon mucosa",
        synonyms=("colon crypts", "goblet cells", "colonic crypts in cross-section"),
        captions=(
            "Normal colon mucosa: round crypts with goblet cells like petals, H&E",
            "Colonic crypts cut across, goblet cells and lamina propria, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="normal",
        width_um=(190, 270),
    ),
    "adenocarcinoma": Tissue(
        paint=glandular.adenocarcinoma,
        label="colorectal adenocarcinoma epithelium",
        synonyms=("colorectal adenocarcinoma", "colon cancer", "malignant glands"),
        captions=(
            "Colorectal adenocarcinoma, {grade}: crowded angular glands with dirty necrosis in the lumen, H&E",
            "Malignant glands of a colon adenocarcinoma, {grade}, stratified dark nuclei, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="adenocarcinoma",
        width_um=(190, 270),
    ),
    "thyroid": Tissue(
        paint=glandular.thyroid,
        label="thyroid follicles",
        synonyms=("thyroid", "thyroid gland", "colloid-filled follicles"),
        captions=(
            "Thyroid: follicles filled with pink colloid, lined by one row of cells, H&E",
            "Normal thyroid gland, colloid in round follicles, H&E",
        ),
        organ="thyroid",
        stain=HE,
        finding="normal",
        width_um=(190, 280),
    ),
    "mucin": Tissue(
        paint=glandular.mucin,
        label="mucus",
        synonyms=("mucin", "mucin pool", "extracellular mucin"),
        captions=(
            "Pool of extracellular mucin with strings and floating clusters of cells, H&E",
            "Mucinous carcinoma: pale blue mucus, few tumour cells afloat, H&E",
        ),
        organ="colon",
        stain=HE,
        finding="mucinous carcinoma",
        width_um=(180, 270),
    ),
    "pas_crypts": Tissue(
        paint=glandular.pas_crypts,
        label="PAS stain, goblet cells",
        synonyms=("PAS", "periodic acid-Schiff", "magenta mucin in goblet cells"),
        captions=(
            "Periodic acid-Schiff (PAS): magenta mucin in the goblet cells of colonic crypts",
            "PAS stain of colon mucosa, goblet cells stand out magenta",
        ),
        organ="colon",
        stain="PAS",
        finding="normal",
        width_um=(190, 270),
    ),
    # --- organs --------------------------------------------------------------------------------------------------------
    "liver": Tissue(
        paint=organs.liver,
        label="normal liver",
        synonyms=("liver", "hepatocytes", "liver parenchyma"),
        captions=(
            "Normal liver: plates of polygonal hepatocytes with round central nuclei between sinusoids, H&E",
            "Hepatocytes in plates, liver parenchyma, H&E",
        ),
        organ="liver",
        stain=HE,
        finding="normal",
        width_um=(150, 220),
    ),
    "fatty_liver": Tissue(
        paint=organs.fatty_liver,
        label="fatty liver",
        synonyms=("steatosis", "hepatic steatosis", "fat droplets in hepatocytes"),
        captions=(
            "Fatty liver: round clear fat vacuoles of all sizes in hepatocytes, H&E",
            "Hepatic steatosis, large and small droplets, H&E",
        ),
        organ="liver",
        stain=HE,
        finding="steatosis",
        width_um=(160, 230),
    ),
    "glomerulus": Tissue(
        paint=organs.glomerulus,
        label="renal glomerulus",
        synonyms=("glomerulus", "kidney cortex", "kidney"),
        captions=(
            "Kidney cortex: one glomerulus in Bowman's space among tubules, H&E",
            "Renal glomerulus with capillary loops, tubules around it, H&E",
        ),
        organ="kidney",
        stain=HE,
        finding="normal",
        width_um=(210, 280),
    ),
    "squamous_epithelium": Tissue(
        paint=organs.squamous_epithelium,
        label="normal squamous epithelium",
        synonyms=("squamous epithelium", "stratified squamous epithelium", "normal oral mucosa"),
        captions=(
            "Normal stratified squamous epithelium, maturing from basal cells to a flat keratinised surface, H&E",
            "Layered squamous epithelium over connective tissue, oral mucosa, H&E",
        ),
        organ="oral cavity",
        stain=HE,
        finding="normal",
        width_um=(180, 260),
    ),
    "keratin_pearl": Tissue(
        paint=organs.keratin_pearl,
        label="keratinising squamous cell carcinoma",
        synonyms=("keratin pearls", "squamous nests with keratin", "squamous cell carcinoma with keratin pearls"),
        captions=(
            "Keratinising squamous cell carcinoma: nests with concentric keratin pearls, H&E",
            "Keratin pearl in a nest of squamous carcinoma, H&E",
        ),
        organ="oral cavity",
        stain=HE,
        finding="squamous cell carcinoma",
        width_um=(170, 240),
    ),
    # --- immunohistochemistry and special stains -----------------------------------------------------------------------
    "ki67_low": Tissue(
        paint=markers.ki67_low,
        label="Ki-67 immunohistochemistry, low fraction",
        synonyms=("low Ki-67 index", "few brown nuclei", "low proliferation"),
        captions=(
            "Ki-67 immunohistochemistry: {percent} % of the nuclei are brown (DAB), low proliferation",
            "Few DAB-positive brown nuclei among blue ones, Ki-67 index {percent} %",
        ),
        organ="breast",
        stain=IHC,
        finding="low proliferation",
        width_um=(130, 200),
    ),
    "ki67_high": Tissue(
        paint=markers.ki67_high,
        label="Ki-67 immunohistochemistry, high fraction",
        synonyms=("high Ki-67 index", "many brown nuclei", "brown stained nuclei"),
        captions=(
            "Ki-67 immunohistochemistry: {percent} % of the nuclei are brown (DAB), high proliferation",
            "Most nuclei are brown stained, DAB-positive, Ki-67 index {percent} %",
        ),
        organ="breast",
        stain=IHC,
        finding="high proliferation",
        width_um=(130, 200),
    ),
    "her2": Tissue(
        paint=markers.her2,
        label="HER2 immunohistochemistry, 3+",
        synonyms=("HER2 positive", "membranous staining", "brown membranes"),
        captions=(
            "HER2 immunohistochemistry, score 3+: complete brown membranes like chicken wire (DAB)",
            "Strong membranous DAB staining of all tumour cells, HER2 positive breast carcinoma",
        ),
        organ="breast",
        stain=IHC,
        finding="HER2 positive",
        width_um=(110, 180),
    ),
    "trichrome": Tissue(
        paint=markers.trichrome,
        label="cirrhosis, Masson's trichrome",
        synonyms=("cirrhosis", "liver fibrosis in trichrome", "blue collagen around red nodules"),
        captions=(
            "Masson's trichrome of cirrhosis: blue scars around red nodules of liver cells",
            "Liver fibrosis, blue collagen septa around regenerative nodules, trichrome",
        ),
        organ="liver",
        stain=TRICHROME,
        finding="cirrhosis",
        width_um=(190, 280),
    ),
    "muscle_fibrosis": Tissue(
        paint=markers.muscle_fibrosis,
        label="muscle fibrosis, Masson's trichrome",
        synonyms=("fibrosis of muscle", "replacement fibrosis in trichrome", "blue strands between red muscle fibres"),
        captions=(
            "Masson's trichrome: red muscle fibres drawn apart by strands of blue collagen",
            "Replacement fibrosis of heart muscle, blue scars between red fibres, trichrome",
        ),
        organ="heart",
        stain=TRICHROME,
        finding="fibrosis",
        width_um=(170, 250),
    ),
    "fungi": Tissue(
        paint=markers.fungi,
        label="fungal hyphae, Grocott silver stain",
        synonyms=("fungi", "aspergillus hyphae", "black hyphae on green"),
        captions=(
            "Grocott silver stain: black branching fungal hyphae on a green ground",
            "Aspergillus, septate hyphae that branch at 45 degrees, methenamine silver",
        ),
        organ="lung",
        stain="Grocott methenamine silver",
        finding="fungal infection",
        width_um=(110, 180),
    ),
    # --- blood smears --------------------------------------------------------------------------------------------------
    "normal_blood": Tissue(
        paint=smears.normal_blood,
        label="peripheral blood smear, neutrophil",
        synonyms=("neutrophil", "segmented neutrophil", "normal blood smear"),
        captions=(
            "Peripheral blood smear: {count} with a nucleus of {lobes} lobes among red cells, Giemsa",
            "Blood smear with red cells and {count}, Giemsa stain",
        ),
        organ="blood",
        stain=GIEMSA,
        finding="normal",
        width_um=(44, 70),
    ),
    "blasts": Tissue(
        paint=smears.blasts,
        label="peripheral blood smear, blasts",
        synonyms=("acute leukaemia", "leukaemic blasts", "acute leukemia"),
        captions=(
            "Blood smear of acute leukaemia: {count} large blasts with nucleoli, Giemsa",
            "Leukaemic blasts, nearly all nucleus, thin blue rim, blood smear, Giemsa",
        ),
        organ="blood",
        stain=GIEMSA,
        finding="acute leukaemia",
        width_um=(50, 74),
    ),
    "lymphocytosis": Tissue(
        paint=smears.lymphocytosis,
        label="peripheral blood smear, lymphocytes",
        synonyms=("lymphocyte in a blood smear", "small lymphocytes among red cells", "lymphocytosis"),
        captions=(
            "Peripheral blood smear: {count} with a dense round nucleus among red cells, Giemsa",
            "Lymphocytosis in a blood smear, {count}, Giemsa stain",
        ),
        organ="blood",
        stain=GIEMSA,
        finding="lymphocytosis",
        width_um=(44, 70),
    ),
}
