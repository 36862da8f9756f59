"""rfconv learns which columns of a table belong together, and says honestly whether it helped."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "RFConvClassifier",
    "RFConvRegressor",
    "ReceptiveFields",
    "__version__",
    "column_groups",
    "load_fields",
    "to_networkx",
]

if TYPE_CHECKING:
    from rfconv_cli.estimator import RFConvClassifier, RFConvRegressor
    from rfconv_cli.export.carry import column_groups, to_networkx
    from rfconv_cli.fields.value import ReceptiveFields
    from rfconv_cli.jobs.given import load_fields

_HOMES = {
    "RFConvClassifier": "rfconv_cli.estimator",
    "RFConvRegressor": "rfconv_cli.estimator",
    "ReceptiveFields": "rfconv_cli.fields.value",
    "column_groups": "rfconv_cli.export.carry",
    "load_fields": "rfconv_cli.jobs.given",
    "to_networkx": "rfconv_cli.export.carry",
}


def __getattr__(name: str) -> Any:
    # torch and scikit-learn take seconds to import; `rfconv --help` must not wait for them
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
