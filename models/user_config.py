"""The name that the competition's evaluator imports."""

from models.shopbench_model import ShopBenchModel as UserModel

__all__ = ["UserModel"]
