"""Options of ``evenkeel run`` about its API and its audit log; ``controller.cli.face`` makes them work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Api = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="ADDRESS:PORT",
        help="Where the gRPC API listens besides its Unix socket beside --state; beyond this machine with TLS.",
    ),
]
ApiCert = Annotated[Path | None, typer.Option("--api-cert", metavar="PEM", help="The API's certificate.")]
ApiKey = Annotated[Path | None, typer.Option("--api-key", metavar="PEM", help="Its private key.")]
ApiCa = Annotated[
    Path | None,
    typer.Option(
        "--api-ca",
        metavar="PEM",
        help="Who signs the certificates of the API's clients. Left out, each call needs a token of --api-tokens.",
    ),
]
ApiRoles = Annotated[
    Path | None,
    typer.Option(
        "--api-roles",
        metavar="FILE",
        help="Who may do what. Without it, certificates have the role that they were issued for.",
    ),
]
ApiTokens = Annotated[
    Path | None,
    typer.Option(
        "--api-tokens",
        metavar="FILE",
        help="Tokens, as evenkeel token makes them; their roles are in --api-roles.",
    ),
]
Audit = Annotated[
    Path | None,
    typer.Option(
        "--audit",
        metavar="FILE",
        help="Record every change that is asked for, chained; refuse those that cannot be recorded.",
    ),
]
