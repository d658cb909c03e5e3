"""`revcart operator`: the process that runs platforms on Kubernetes."""

import asyncio
import sys

import typer

from revcart.kit import telemetry


def run(
    *,
    namespaces: tuple[str, ...],
    lease_namespace: str,
    host: str,
    health_port: int,
    metrics_port: int,
    log_level: telemetry.Level,
) -> int:
    """Exit code: 0 told to stop; 1 a part of it ended, or the extra is missing; 2 no API server is configured."""
    try:
        from revcart_operator.kube import connection
        from revcart_operator.process import running
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("kopf", "kubernetes"):
            raise
        typer.echo("the operator needs its extra: pip install 'revcart[operator]'", err=True)
        return 1
    telemetry.configure(log_level, "json", "operator")
    options = running.Options(
        namespaces=namespaces,
        lease_namespace=lease_namespace or connection.own_namespace(),
        host=host,
        health_port=health_port,
        metrics_port=metrics_port,
    )
    try:
        return 0 if asyncio.run(running.run(options)) else 1
    except connection.NoCluster as error:
        typer.echo(str(error), err=True)
        return 2
    except OSError as error:
        print(f"cannot serve health or metrics: {error}", file=sys.stderr)
        return 1
