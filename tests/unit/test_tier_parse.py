"""HAProxy's answers as data, as 2.6.12 gives them; other texts are no answers."""

from __future__ import annotations

import pytest

from controller.exits.tier import parse
from controller.exits.tier.parse import BadAnswer, Counted, Processes, ServerHas

PROC = """#<PID>          <type>          <reloads>       <uptime>        <version>
10              master          2 [failed: 1]   0d00h00m20s     2.6.12-1+deb12u4
# workers
125             worker          1               0d00h00m07s     2.6.12-1+deb12u4
# old workers
53              worker          2               0d00h00m20s     2.6.12-1+deb12u4
54              worker          2               0d00h00m20s     2.6.12-1+deb12u4
# programs
"""
HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port\n"
)
STATE = (
    HEAD
    + "3 web 1 s1 10.1.0.11 2 0 20 10 12 15 3 4 6 0 0 0 - 9001 - 0 0 - - 0\n"
    + "3 web 2 s2 fd00::12 0 5 10 10 13 8 2 0 6 0 0 0 - 9002 - 0 0 - - 0\n"
    + "3 web 3 s3 10.1.0.13 0 8 10 10 13 8 2 0 6 0 0 0 - 9003 - 0 0 - - 0\n\n"
)
STAT = """# pxname,svname,qcur,scur,stot,econ,eresp,wretr,status,check_status,hrsp_5xx,req_tot,last_chk,mode,
http,FRONTEND,,3,9,,,,OPEN,,2,40,,http,
web,s1,1,2,30,1,2,4,UP 1/3,L7OK,5,,"passed, well",http,
db,s1,0,2,30,1,2,4,DOWN,L4CON,,,,tcp,

"""


def test_processes_are_read() -> None:
    assert parse.processes(PROC) == Processes("2.6.12-1+deb12u4", 2, 1, 125, (53, 54))
    assert parse.processes(PROC.partition("125")[0]).worker is None
    with pytest.raises(BadAnswer, match="no master answers show proc: 'Unknown command'"):
        parse.processes("Unknown command")


def test_servers_are_read() -> None:
    assert parse.servers(STATE) == {
        ("web", "s1"): ServerHas("10.1.0.11", 9001, 20, False, False),
        ("web", "s2"): ServerHas("fd00::12", 9002, 10, True, False),
        ("web", "s3"): ServerHas("10.1.0.13", 9003, 10, False, True),
    }
    for bad in (
        "",
        "2\n# be_id\n",
        HEAD + "3 web 1\n",
        HEAD + STATE.splitlines()[2].replace("9001", "x") + "\n",
    ):
        with pytest.raises(BadAnswer, match="show servers state"):
            parse.servers(bad)


def test_statistics_are_read() -> None:
    assert parse.counted(STAT) == {
        ("http", "FRONTEND"): Counted(3, 0, 40, 2, 0, "OPEN", ""),
        ("web", "s1"): Counted(2, 1, 30, 8, 4, "UP 1/3", "L7OK passed, well"),
        ("db", "s1"): Counted(2, 0, 30, 3, 4, "DOWN", "L4CON"),
    }
    for bad in ("", "# pxname,svname,\n", STAT + "web,s2\n"):
        with pytest.raises(BadAnswer, match="show stat"):
            parse.counted(bad)


def test_the_next_process_is_told_of_those_that_are_down_and_still_the_same() -> None:
    still = {
        ("web", "s1"): ("10.1.0.11", 9001),
        ("web", "s2"): ("fd00::12", 9002),
        ("web", "s3"): ("10.1.0.13", 9003),
    }
    told = parse.known_down(STATE, still)
    assert told == HEAD + STATE.splitlines()[4] + "\n", (
        "one in maintenance is not down, one that is up is not told"
    )
    assert parse.known_down(STATE, still | {("web", "s3"): ("10.1.0.13", 1)}) == HEAD
    assert parse.known_down(STATE, {}) == HEAD


def test_what_a_process_was_made_of_is_read() -> None:
    assert parse.digest("node: a\ndescription: evenkeel abc\nStopping: 0\n") == "abc"
    assert parse.digest("node: a\n") == ""
