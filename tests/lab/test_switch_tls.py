"""Open vSwitch and the controller by TLS, with certificates that ``evenkeel pki`` made: OpenFlow and OVSDB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.security.certificates import Role, Subject
from controller.security.pki import Pki
from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from topo.lab import Lab
from topo.ovs import BRIDGE
from topo.plan import CONTROL_ADDRESS, OPENFLOW_PORT

pytestmark = pytest.mark.lab

OVSDB_TLS = 6641
SECONDS = 30.0
UNKNOWN = "its certificate is of an authority that --switch-ca does not hold; issue one, or add its authority"


class Scene:
    """One switch that has a certificate, and a controller that has one."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        (self.name,) = lab.switches
        self.pki, self.other = (
            Pki(folder / "pki", datetime.now(UTC)),
            Pki(folder / "other", datetime.now(UTC)),
        )
        self.control = str(lab.fabric.switches[self.name].control)
        for pki in (self.pki, self.other):
            pki.init("evenkeel")
            pki.issue(Subject("ctl", Role.CONTROLLER, (str(CONTROL_ADDRESS),)))
            pki.issue(Subject(self.name, Role.SWITCH, (self.control,)))
            pki.issue(Subject("another", Role.SWITCH))
        own = self.pki.folder
        options = [f"--switch-cert={own}/ctl.pem", f"--switch-key={own}/ctl.key", f"--switch-ca={own}/ca.pem"]
        self.balanced = Balanced(lab, options)

    def show(self, pki: Pki, name: str = "") -> None:
        """Have the switch show its certificate of this authority, or another one's; it trusts ours."""
        own = pki.folder / (name or self.name)
        self.lab.vsctl(self.name, "set-ssl", f"{own}.key", f"{own}.pem", str(self.pki.folder / "ca.pem"))

    def dial(self, scheme: str) -> None:
        """Have it dial the controller now."""
        self.lab.vsctl(self.name, "set-controller", BRIDGE, f"{scheme}:{CONTROL_ADDRESS}:1")
        self.lab.vsctl(self.name, "set-controller", BRIDGE, f"{scheme}:{CONTROL_ADDRESS}:{OPENFLOW_PORT}")
        self.lab.vsctl(
            self.name, "set", "controller", BRIDGE, "max_backoff=1000", "connection_mode=out-of-band"
        )

    def connected(self) -> bool:
        """Whether the switch says so."""
        found = self.lab.vsctl(self.name, "--bare", "--columns=is_connected", "list", "controller")
        return "true" in found.split()

    def refused(self) -> dict[str, Any]:
        """The next refusal, which comes once only."""
        return self.balanced.wait_event("stream_refused", SECONDS)


@pytest.fixture(scope="module")
def scene(single_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(single_lab, tmp_path_factory.mktemp("tls"))
    made.show(made.pki)
    single_lab.appctl(
        made.name, "-t", "ovsdb-server", "ovsdb-server/add-remote", f"pssl:{OVSDB_TLS}:{made.control}"
    )
    text = single_lab.intent_path.read_text()
    asked = f"tcp:{made.control}:6640"
    assert asked in text
    single_lab.intent_path.write_text(text.replace(asked, f"ssl:{made.control}:{OVSDB_TLS}"))
    made.dial("ssl")  # before there is a controller: one plain attempt would be refused and spoil the count
    made.balanced.start_controller()
    try:
        made.balanced.wait_event("started", SECONDS)
        made.balanced.wait_ready()
        yield made
    finally:
        made.balanced.stop()


def test_a_switch_is_served_by_tls_alone(scene: Scene) -> None:
    """Its OVSDB too: its conntrack was told how long to remember, over ssl:."""
    eventually(scene.connected, "the switch says so too")
    assert not [event for event in scene.balanced.events if event["event"] in ("stream_refused", "failure")]
    zones = scene.lab.vsctl(scene.name, "list-zone-tp", "netdev")
    assert "tcp_established" in zones
    assert not [event for event in scene.balanced.events if "ssl:" in str(event)], "OVSDB gave no errors"


def test_both_certificates_are_renewed_without_a_restart(scene: Scene) -> None:
    scene.balanced.mark()
    scene.pki.renew("ctl", new_key=True)
    scene.pki.renew(scene.name)
    time.sleep(1.0)
    ended = [event for event in scene.balanced.since_mark() if event["event"] == "switch_down"]
    assert not ended, "the old connection lives on"
    scene.show(scene.pki)
    scene.dial("ssl")
    scene.balanced.wait_event("switch_up", SECONDS)
    scene.balanced.wait_event("synced", SECONDS)


def test_one_switch_cannot_pose_as_another(scene: Scene) -> None:
    scene.balanced.mark()
    scene.show(scene.pki, "another")
    scene.dial("ssl")
    why = f"its certificate is of switch 'another', and its datapath id that of '{scene.name}'"
    assert scene.refused()["why"] == why
    assert not [event for event in scene.balanced.since_mark() if event["event"] == "switch_up"]
    scene.show(scene.pki)
    scene.dial("ssl")
    scene.balanced.wait_event("synced", SECONDS)


def test_another_authority_s_switch_and_a_plain_one_are_refused_with_one_message_each(scene: Scene) -> None:
    scene.balanced.mark()
    scene.show(scene.other)
    scene.dial("ssl")
    said = scene.refused()
    assert (said["address"], said["why"], said["count"]) == (scene.control, UNKNOWN, 1)
    scene.balanced.mark()
    scene.show(scene.pki)
    scene.dial("tcp")
    assert scene.refused()["why"].startswith("it does not speak TLS; have the switch dial ssl:ADDRESS:PORT")
    time.sleep(3.0)  # it tries again every second
    refusals = [event for event in scene.balanced.since_mark() if event["event"] == "stream_refused"]
    assert len(refusals) == 1
    assert not scene.connected()
    scene.dial("ssl")
    scene.balanced.wait_event("synced", SECONDS)
    eventually(scene.connected, "it is served again")
