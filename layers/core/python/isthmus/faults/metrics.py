"""Failures as CloudWatch metrics: one line in Embedded Metric Format on standard output for each."""

import os

from isthmus.failure import Failure

NAMESPACE = "Isthmus"


def failed(domain: str, failure: Failure) -> None:
    """Count a failure by kind and domain, and one with a code that no table has as unmapped too."""
    _count("Failures", {"kind": failure.kind, "domain": domain})
    if failure.code.endswith("/unmapped"):
        unmapped(failure.code.partition("/")[0])


def unmapped(system: str) -> None:
    """Count a code of a neighbour that is in no table."""
    _count("Unmapped", {"system": system})


def _count(name: str, dimensions: dict[str, str]) -> None:
    if "ISTHMUS_TABLE" not in os.environ and "ISTHMUS_HOME" not in os.environ:
        return  # nobody reads the lines of a process that is no function
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        for dimension, value in dimensions.items():
            metric.add_dimension(name=dimension, value=value)
