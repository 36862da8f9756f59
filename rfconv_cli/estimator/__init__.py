"""RFConvClassifier and RFConvRegressor: the scikit-learn face of the same functions the commands use."""

from rfconv_cli.estimator.faces import RFConvClassifier, RFConvRegressor

__all__ = ["RFConvClassifier", "RFConvRegressor"]
