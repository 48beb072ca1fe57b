"""The published data sets: whose they are, under what licence, where their files are expected, and who reads them."""

from app.data.sources.amazon_m2 import read_amazon_m2
from app.data.sources.amazon_reviews import read_amazon_reviews
from app.data.sources.ec_guide import read_ec_guide
from app.data.sources.ec_instruct import read_ec_instruct
from app.data.sources.esci import read_esci
from app.data.sources.eshop_instruct import read_eshop_instruct
from app.data.sources.gsm8k import read_gsm8k
from app.data.sources.intention_qa import read_intention_qa
from app.data.sources.title_values import read_ae_110k, read_extract_gpt, read_oa_mine
from app.data.tasks.task import PublishedSource

PUBLISHED: tuple[PublishedSource, ...] = (
    PublishedSource("EC-Guide", "Apache-2.0", "its authors (ZJU-AI4H, KDD Cup 2024)", "EC-Guide", read_ec_guide),
    PublishedSource(
        "ECInstruct", "CC-BY-4.0", "Hugging Face, NingLab/ECInstruct (Peng et al. 2024)", "ECInstruct", read_ec_instruct
    ),
    PublishedSource(
        "EshopInstruct",
        "none stated",
        "Hugging Face, suyan/EshopInstruct (Zhang et al. 2024)",
        "EshopInstruct",
        read_eshop_instruct,
    ),
    PublishedSource("ESCI", "Apache-2.0", "GitHub, amazon-science/esci-data (Reddy et al. 2022)", "ESCI", read_esci),
    PublishedSource(
        "Amazon-M2", "Apache-2.0", "AIcrowd, Amazon KDD Cup 2023 (Jin et al. 2023)", "Amazon-M2", read_amazon_m2
    ),
    PublishedSource(
        "Amazon Reviews 2023",
        "none stated",
        "Hugging Face, McAuley-Lab/Amazon-Reviews-2023 (Hou et al. 2024)",
        "AmazonReviews2023",
        read_amazon_reviews,
    ),
    PublishedSource(
        "IntentionQA", "MIT", "GitHub, HKUST-KnowComp/IntentionQA (Ding et al. 2024)", "IntentionQA", read_intention_qa
    ),
    PublishedSource(
        "ExtractGPT",
        "Apache-2.0",
        "GitHub, wbsg-uni-mannheim/ExtractGPT (Brinkmann et al. 2023)",
        "ExtractGPT",
        read_extract_gpt,
    ),
    PublishedSource("OA-Mine", "Apache-2.0", "GitHub, xinyangz/OAMine (Zhang et al. 2022)", "OA-Mine", read_oa_mine),
    PublishedSource("AE-110k", "none stated", "Xu et al. 2019, scaling up open tagging (ACL)", "AE-110k", read_ae_110k),
    PublishedSource("GSM8K", "MIT", "Hugging Face, openai/gsm8k (Cobbe et al. 2021)", "GSM8K", read_gsm8k),
)
