"""``evenkeel tier``: the file of a HAProxy, and where a request goes, by an intent file."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli.codes import Tier
from controller.cli.tiers import file_of, route_of

INTENT = Path(__file__).parent / "data" / "tier.yaml"


def test_the_file_of_an_instance_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert file_of(INTENT, "hap1") == Tier.GOOD
    said = capsys.readouterr().out
    assert "frontend https" in said
    assert "bind 10.1.0.11:443 ssl crt /etc/ssl/shop.pem alpn h2,http/1.1" in said
    assert file_of(INTENT, "hap9") == Tier.BAD_INPUT
    assert "no instance hap9" in capsys.readouterr().err


API = "by hdr: a1 weight 1, backup"


@pytest.mark.parametrize(
    ("url", "headers", "cookies", "says"),
    [
        ("https://api.example.org/v1/x", [], [], f"pool api (routes[0] matches), {API}"),
        ("https://a.org/", [], [], "pool site (no route matches), by roundrobin: w1 weight 10, w2 drains"),
        ("https://a.org", ["X-Version: canary"], ["beta=yes"], f"pool api (routes[1] matches), {API}"),
    ],
)
def test_where_a_request_goes_is_said_with_why(
    url: str, headers: list[str], cookies: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert route_of(INTENT, url, headers, cookies) == Tier.GOOD
    assert capsys.readouterr().out == f"web/https: {says}\n"


def test_what_makes_no_sense_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert route_of(INTENT, "shop", [], []) == Tier.BAD_INPUT
    assert '"shop" is no URL of http or https' in capsys.readouterr().err
    assert route_of(INTENT, "http://a/", ["x"], []) == Tier.BAD_INPUT
    assert "write NAME:VALUE" in capsys.readouterr().err
    bare = tmp_path / "bare.yaml"
    bare.write_text("sites: [{name: east}]\nswitches: []\n")
    assert route_of(bare, "http://a/", [], []) == Tier.NO_POOL
    bare.write_text("sites: 1\n")
    assert file_of(bare, "hap1") == route_of(bare, "http://a/", [], []) == Tier.BAD_INPUT
