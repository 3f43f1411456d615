"""What stands in for jaxtyping where it is not installed: annotations with shapes, which nobody checks.

A training on a bare machine needs torch, numpy and safetensors alone. There `Float[Tensor, "b 3"]` means `Tensor`.
"""

import importlib.util
import sys
from types import ModuleType

KINDS = ("Bool", "Float", "Float64", "Int", "Int32", "Int64", "Real", "UInt8")


class Unchecked:
    """Any of jaxtyping's annotations."""

    def __class_getitem__(cls, item: tuple) -> type:
        return item[0]


def install() -> None:
    """Puts a module of the name jaxtyping in place, unless there is one."""
    if "jaxtyping" not in sys.modules and importlib.util.find_spec("jaxtyping") is None:
        module = ModuleType("jaxtyping", __doc__)
        module.__dict__.update(dict.fromkeys(KINDS, Unchecked))
        sys.modules["jaxtyping"] = module
