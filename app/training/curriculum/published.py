"""Every training task of the published data sets."""

from typing import Any

from app.training.curriculum.published_ec_guide import EC_GUIDE_TASKS
from app.training.curriculum.published_ec_instruct import EC_INSTRUCT_TASKS
from app.training.curriculum.published_eshop_instruct import ESHOP_TASKS
from app.training.curriculum.published_intention import INTENTION_TASKS
from app.training.curriculum.published_queries import QUERY_TASKS
from app.training.curriculum.published_reviews import REVIEW_TASKS
from app.training.curriculum.published_sessions import SESSION_TASKS
from app.training.curriculum.published_sums import SUM_TASKS
from app.training.curriculum.published_titles import TITLE_TASKS
from app.training.curriculum.task import TrainingTask

PUBLISHED_TASKS: tuple[TrainingTask[Any], ...] = (
    *EC_GUIDE_TASKS,
    *TITLE_TASKS,
    *INTENTION_TASKS,
    *QUERY_TASKS,
    *SESSION_TASKS,
    *REVIEW_TASKS,
    *EC_INSTRUCT_TASKS,
    *ESHOP_TASKS,
    *SUM_TASKS,
)
