"""Labels and selectors have the syntax of Kubernetes; what is wrong is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.errors import ConfigErrors
from controller.model.labels import MOST, TERMS, VALUES, selector
from controller.model.load import load_text
from controller.model.units import Wrong

TEXT = """\
sites: [{{name: east}}]
switches:
  - {{name: lb1, kind: ovs, id: 0x21, roles: [edge, lb, leaf], mac: 02:45:56:01:00:21, ports: {{1: segment}}}}
pools:
  - name: web
    labels: {labels}
    backends: [{{name: s1, address: 10.1.0.11, mac: 02:45:56:02:00:01, labels: {{rack: 7, live: true, "": x}}}}]
vips:
  - name: shop
    labels: {{team: web}}
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    listeners: [{{protocol: tcp, port: 80, pool: web, mode: nat}}]
"""


def text(labels: str) -> str:
    return TEXT.format(labels=labels).replace(', "": x', "")


def test_vips_pools_and_backends_have_labels_whose_values_are_texts() -> None:
    intent = load_text(text('{team: web, example.com/tier: front, env: "", on: 1.50}'), "f")
    labels = (("env", ""), ("example.com/tier", "front"), ("on", "1.50"), ("team", "web"))
    assert intent.pools[0].labels == labels
    assert intent.pools[0].own[0].labels == (("live", "true"), ("rack", "7"))
    assert intent.vips[0].labels == (("team", "web"),)


LONG = "x" * 64
MANY = "{" + ", ".join(f"k{n}: v" for n in range(MOST + 1)) + "}"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("web", 'labels is "web", write keys and values'),
        (MANY, f"labels has {MOST + 1} labels, write at most {MOST}"),
        ("{-x: a}", 'label is "-x", which is no key of a label, write 1 to 63 letters'),
        (f"{{{LONG}: a}}", "which is no key of a label"),
        ("{a/b/c: d}", "which is no key of a label"),
        ("{Example.com/b: d}", "which is no key of a label"),
        ("{team: a b}", 'label "team" is "a b", which is no value of a label, write at most 63'),
        ("{team: w-}", "which is no value of a label"),
        (f"{{team: {LONG}}}", "which is no value of a label"),
        ("{team: [a]}", 'label "team" is'),
        ("{team: }", 'label "team" is empty'),
    ],
)
def test_what_is_no_label_is_named_with_its_line(labels: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(text(labels), "f")
    (error,) = caught.value
    assert str(error).startswith("f:6:")
    assert said in str(error)


WEB, DB, NONE = (("env", "prod"), ("team", "web")), (("team", "db"),), ()


@pytest.mark.parametrize(
    ("asked", "web", "db", "none"),
    [
        ("", True, True, True),
        ("team=web", True, False, False),
        ("team==web", True, False, False),
        (" team = web , env=prod", True, False, False),
        ("team!=web", False, True, True),
        ("team", True, True, False),
        ("!team", False, False, True),
        ("! env,team", False, True, False),
        ("team in (web, db)", True, True, False),
        ("team in (db),!env", False, True, False),
        ("team notin (web)", False, True, True),
        ("env=", False, False, False),
        ("in in (notin)", False, False, False),
        ("team in(web),env in (prod)", True, False, False),
    ],
)
def test_a_selector_chooses_as_that_of_kubectl_does(asked: str, web: bool, db: bool, none: bool) -> None:
    made = selector(asked)
    assert (made.fits(WEB), made.fits(DB), made.fits(NONE)) == (web, db, none)


@pytest.mark.parametrize(
    "asked",
    [
        "team=",
        "team>3",
        "team=web env=prod",
        ",team",
        "team,",
        "team,,env",
        "team in web",
        "team in (web",
        "team in (web))",
        "!team=web",
        "te am",
        "=web",
        "-x=web",
        "team=-x",
        "team in (a b)",
        ",".join(["a"] * (TERMS + 1)),
        f"a in ({','.join(['b'] * (VALUES + 1))})",
    ],
)
def test_what_is_no_selector_is_refused(asked: str) -> None:
    if asked == "team=":  # the empty value is one
        assert selector(asked).fits((("team", ""),))
        return
    with pytest.raises(Wrong):
        selector(asked)


@given(st.text(alphabet="ab=!,() inot/.-"))
def test_whatever_is_asked_is_a_selector_or_refused(asked: str) -> None:
    try:
        made = selector(asked)
    except Wrong:
        return
    assert isinstance(made.fits(WEB), bool)
