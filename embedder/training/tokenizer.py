"""A small byte-level BPE in the format and with the marks that embedder.tokenizer expects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from embedder.tokenizer import SPECIAL_TOKENS

# Words of ordinary requests and reports; the captions alone would leave most of them to be spelled byte by byte.
PATHOLOGY_WORDS = """
abscess acinar acute adenocarcinoma adenoma adenosis adipose adipocytes adrenal alveolar alveoli amyloid anaplastic angiosarcoma
apocrine apoptosis apoptotic appendix artery arteriole atrophy atypia atypical axon barrett basal basaloid basement membrane
benign bile bladder blood bone bowel brain breast bronchus brown brush border calcification capillary carcinoma cardiac cartilage
cell cells cellular cervical cervix chondrocyte chondrosarcoma chromatin chronic ciliated cirrhosis collagen colon colonic
columnar congestion connective cornea cortex crypt crypts cuboidal cyst cystic cytoplasm cytology dab dense dermis dermal
desmoplastic differentiated discohesive duct ductal ductule dysplasia dysplastic edema elastic embolus endocrine endometrium
endothelium eosin eosinophil eosinophilic epidermis epithelial epithelioid epithelium erosion erythrocytes esophagus fat fatty
fibrin fibroadenoma fibroblast fibrosis fibrous fields follicle follicular foamy gallbladder ganglion gastric gastritis germinal
center giemsa gland glands glandular glial glioblastoma glioma glomerulus goblet grade granular granulocyte granuloma hair
hematoxylin hemorrhage hepatic hepatocellular hepatocytes her2 high histiocyte histology hodgkin hyaline hyalinised hyperkeratosis
hyperplasia ihc immunohistochemistry immunofluorescence in situ infarct infiltrate infiltrating infiltration inflammation
inflammatory invasion invasive islet keratin keratinising keratinocytes kidney ki-67 lamina propria large leiomyoma lesion
leukaemia leukemia lipoma liver lobular low lumen lung lymph lymphocyte lymphocytes lymphocytic lymphoid lymphoma macrophage
magnification malignant marrow mast mature medulla melanin melanocyte melanoma meningioma mesothelioma metaplasia metastasis
metastatic micropapillary microscopy mild mitosis mitoses mitotic moderate monocyte mucin mucinous mucosa mucosal mucus muscle
muscularis myeloid myofibroblast myxoid necrosis necrotic neoplasm neoplastic nerve nests neuroendocrine neuron neutrophil
nevus nodal nodule nodular normal nuclear nuclei nucleoli nucleus oedema oral ovarian ovary palisading pancreas pancreatic
papillary papilloma parathyroid parenchyma pas perineural periportal peripheral placenta plasma platelet pleomorphic pleomorphism
pneumonia polyp poorly portal pink positive prostate prostatic proliferation psammoma pulmonary purple pus rectum reed sternberg
renal respiratory reticulin rosette salivary sarcoma scar schwannoma sclerosis sebaceous seminoma serous severe sheets signet ring
sinus skeletal skin slide small smear smooth spindle spleen squamous stain stained staining steatosis stomach storiform strands
stratified stroma stromal submucosa sweat synovial teratoma testis thrombus thymus thyroid tissue tonsil trabecular trachea
transitional trichrome tubular tubule tumor tumour ulcer ulceration undifferentiated urothelial urothelium uterus vacuoles
vascular vein vessel vessels villi villous well white xanthoma
with without and of from the showing surrounded by between arranged few many numerous scattered area region case section field
20x 40x 100x 200x 400x
"""


def train_tokenizer(texts: Iterable[str], path: Path, *, vocabulary: int = 2000) -> int:
    """Writes the tokenizer file at ``path``; returns how many tokens it knows, at most ``vocabulary``.

    Text is lower-cased and loses its accents, since a request is typed in haste. The same texts give the same file.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    # the space before the first word: a word then has one spelling wherever it stands
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=1,
        special_tokens=sorted(SPECIAL_TOKENS, key=SPECIAL_TOKENS.__getitem__),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*sorted(set(texts)), *PATHOLOGY_WORDS.split()], trainer)
    marks = [(mark, SPECIAL_TOKENS[mark]) for mark in ("<start_of_text>", "<end_of_text>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<start_of_text> $A <end_of_text>", special_tokens=marks)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return int(tokenizer.get_vocab_size(with_added_tokens=True))
