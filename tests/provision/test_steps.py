"""Which changes follow from which facts: pure."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from testbed.errors import ProvisionError
from testbed.provision.changes import InstallDebs, InstallWheels, Run, Write, shown
from testbed.provision.declared import (
    CHRONY_SERVER_FILE,
    CHRONY_SOURCE_FILE,
    FILES,
    LIMITS_FILE,
    PROGRAMS,
    SETTINGS,
    SETTINGS_FILE,
    chrony_file,
    settings_text,
)
from testbed.provision.manifest import ChangedSetting, MadeFolder, MadeVenv, Manifest
from testbed.provision.steps import Case, plan, remarks, venv_path
from tests.provision.made import case, inventory, ready_venv, venv

OPT = "/opt/fedprobe"


def steps_of(one: Case) -> list[str]:
    return list(dict.fromkeys(change.step for change in plan(one)))


def ready_facts(host: str = "pi1") -> dict[str, Any]:
    """What a host of the real lab is like when all has been done."""
    lab = inventory()
    path, text = chrony_file(lab, lab.host(host))
    sha256 = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in
              {SETTINGS_FILE: settings_text(), path: text}.items()}  # fmt: skip
    return {
        "named": ready_venv(),
        "open_files": (8192, 1048576),
        "folders": {place: {"exists": True, "writable": True} for place in
                    ("/home/pi/fedprobe", OPT, "/home/pi/fedprobe/venv")},
        "files": {**dict.fromkeys(FILES), **sha256},
        "programs": dict.fromkeys(PROGRAMS, True),
        "settings": dict(SETTINGS),
        "services": {"chrony": "active"},
    }  # fmt: skip


def test_a_bare_host_gets_every_step_in_order() -> None:
    assert steps_of(case()) == [
        "folders",
        "system packages",
        "time synchronisation",
        "limits",
        "network settings",
        "virtual environment",
        "Python packages",
    ]


@pytest.mark.parametrize("host", ["server", "pi1"])
def test_a_ready_host_gets_nothing(host: str) -> None:
    assert plan(case(host, **ready_facts(host))) == []
    assert remarks(case(host, **ready_facts(host))) == []


@pytest.mark.parametrize(
    ("fact", "value", "step"),
    [
        ("open_files", (1024, 1024), "limits"),
        ("programs", {**dict.fromkeys(PROGRAMS, True), "tcpdump": False}, "system packages"),
        ("settings", {**SETTINGS, "net.ipv4.conf.all.rp_filter": "1"}, "network settings"),
        ("services", {"chrony": "inactive"}, "time synchronisation"),
        ("named", ready_venv(python=None), "virtual environment"),
        ("named", ready_venv(installed={}), "Python packages"),
    ],
)
def test_one_thing_that_is_not_right_is_one_step(fact: str, value: Any, step: str) -> None:
    assert step in steps_of(case(**{**ready_facts(), fact: value}))
    assert set(steps_of(case(**{**ready_facts(), fact: value}))) <= {step, "Python packages"}


def test_root_is_named_where_it_is_needed_and_asked_nowhere_else() -> None:
    changes = plan(case(folders={**case().facts.model_dump()["folders"], OPT: {"exists": False, "writable": False}}))
    needs = {change.step for change in changes if change.root}
    assert needs == {"folders", "system packages", "time synchronisation", "limits", "network settings"}
    for change in changes:
        asks = any(action.root if isinstance(action, Run) else isinstance(action, (Write, InstallDebs))
                   for action in change.actions)  # fmt: skip
        assert asks == change.root, change


def test_a_folder_that_only_root_may_make_is_given_to_the_user() -> None:
    folders = {**case().facts.model_dump()["folders"], OPT: {"exists": False, "writable": False}}
    (made,) = [
        change for change in plan(case(folders=folders)) if isinstance(change.record, MadeFolder) and change.root
    ]
    assert made.actions == (Run(("mkdir", "-p", "--", OPT), root=True), Run(("chown", "pi:", OPT), root=True))


def test_packages_follow_from_the_networks_and_the_clock() -> None:
    def packages(one: Case) -> tuple[str, ...]:
        (found,) = [action for change in plan(one) for action in change.actions if isinstance(action, InstallDebs)]
        return found.packages

    assert packages(case()) == (
        "tcpdump",
        "iperf3",
        "iputils-ping",
        "ethtool",
        "iw",
        "modemmanager",
        "libqmi-utils",
        "chrony",
    )
    assert packages(case("server")) == ("tcpdump", "iperf3", "iputils-ping", "ethtool", "chrony")
    assert "chrony" not in packages(case(lab=inventory('clock = "shared"')))


def test_without_apt_the_packages_are_named() -> None:
    with pytest.raises(ProvisionError, match=r"^pi1: there is no apt-get\. Install .*tcpdump iperf3"):
        plan(case(programs=dict.fromkeys(PROGRAMS, False)))


def test_chrony_follows_the_server_and_the_server_serves_its_nodes() -> None:
    lab = inventory()
    assert chrony_file(lab, lab.host("pi1"))[0] == CHRONY_SOURCE_FILE
    assert "\nserver 192.0.2.1 iburst prefer\n" in chrony_file(lab, lab.host("pi1"))[1]
    path, text = chrony_file(lab, lab.server)
    assert path == CHRONY_SERVER_FILE
    assert text.splitlines()[1:] == ["local stratum 10", "allow 192.0.2.11", "allow 192.0.2.12"]


def test_a_shared_clock_is_left_alone_and_that_is_said() -> None:
    one = case(lab=inventory('clock = "shared"'))
    assert "time synchronisation" not in steps_of(one)
    assert any("clock = shared" in remark for remark in remarks(one))


def test_an_emulated_host_gets_nothing_outside_its_home_and_its_kernel_settings() -> None:
    lab = inventory().model_copy(update={"kind": "emulated"})
    one = case(lab=lab)
    assert steps_of(one) == ["folders", "network settings", "virtual environment", "Python packages"]
    assert not [
        action for change in plan(one) for action in change.actions if isinstance(action, (Write, InstallDebs))
    ]
    assert any("machine's" in remark for remark in remarks(one))
    assert any("lacks" in remark and "tcpdump" in remark for remark in remarks(one))


def test_limits_raise_the_soft_one_and_the_hard_one_only_where_it_is_lower() -> None:
    def text(limits: tuple[int, int]) -> str:
        (found,) = [action for change in plan(case(open_files=limits)) if change.step == "limits"
                    for action in change.actions if isinstance(action, Write)]  # fmt: skip
        assert found.path == LIMITS_FILE
        return found.text

    assert text((1024, 1048576)).splitlines()[1:] == ["pi soft nofile 8192"]
    assert text((1024, 4096)).splitlines()[1:] == ["pi soft nofile 8192", "pi hard nofile 8192"]


def test_a_setting_remembers_what_it_was() -> None:
    settings = {**SETTINGS, "net.ipv4.conf.all.rp_filter": "1"}
    (change,) = [one for one in plan(case(settings=settings)) if isinstance(one.record, ChangedSetting)]
    assert change.record == ChangedSetting(key="net.ipv4.conf.all.rp_filter", before="1", after="2")
    assert shown(change.actions[0]) == "sudo sh -c … set /proc/sys/net/ipv4/conf/all/rp_filter 2"


def test_one_interface_needs_no_network_settings() -> None:
    lab = inventory()
    only = {"ethernet": lab.host("pi1").interfaces["ethernet"]}
    management = lab.host("pi1").management.model_copy(update={"device": "eth0"})
    alone = lab.host("pi1").model_copy(update={"interfaces": only, "management": management})
    lab = lab.model_copy(update={"hosts": (lab.server, alone)})
    assert "network settings" not in steps_of(case(lab=lab))


def test_a_link_in_the_place_of_the_virtual_environment_gives_way_and_is_remembered() -> None:
    one = case(named=venv("link", link="/home/pi/.venv"))
    (change,) = [change for change in plan(one) if change.step == "virtual environment"]
    assert change.record == MadeVenv(path=OPT, link="/home/pi/.venv")
    assert change.actions[0] == Run(("rm", "--", OPT))


@pytest.mark.parametrize(
    "broken", [ready_venv(python=None), ready_venv(kind="other", python=None), ready_venv(python="3.12.1")]
)
def test_a_half_made_virtual_environment_of_ours_is_made_anew_with_all_packages(broken: dict[str, Any]) -> None:
    changes = plan(case(**{**ready_facts(), "named": broken}))
    assert [change.step for change in changes] == ["virtual environment", "Python packages"]
    assert changes[1].actions == (InstallWheels(OPT, ("fedprobe", "numpy")),)


def test_one_cut_off_before_it_had_its_mark_is_known_by_the_record() -> None:
    manifest = Manifest(records=(MadeVenv(path=OPT, link=None),))
    assert venv_path(case(named=venv("other"), manifest=manifest)) == OPT
    assert venv_path(case(named=venv("other"))) == "/home/pi/fedprobe/venv"


@pytest.mark.parametrize(
    ("have", "said"),
    [
        (None, "numpy 2.4.6"),
        ({"version": "2.4.6", "content": "", "fault": "numpy/a.py is missing"}, "(numpy/a.py is missing)"),
        ({"version": "1.26.0", "content": "", "fault": None}, "(was 1.26.0)"),
    ],
)
def test_only_what_is_not_right_is_installed(have: dict[str, Any] | None, said: str) -> None:
    installed = ready_venv()["installed"]
    installed["numpy"] = have
    broken = ready_venv(installed={name: one for name, one in installed.items() if one})
    (change,) = plan(case(**{**ready_facts(), "named": broken}))
    assert change.actions == (InstallWheels(OPT, ("numpy",)),)
    assert said in change.text


def test_a_fedprobe_of_other_sources_is_replaced_though_its_version_is_the_same() -> None:
    installed = ready_venv()["installed"]
    installed["fedprobe"] = {**installed["fedprobe"], "content": "c1"}
    (change,) = plan(case(**{**ready_facts(), "named": ready_venv(installed=installed)}))
    assert change.actions == (InstallWheels(OPT, ("fedprobe",)),)


def test_somebody_elses_environment_is_left_and_the_reader_told_what_to_write() -> None:
    theirs = venv("venv", python="3.11.2")
    one = case(named=theirs)
    assert venv_path(one) == "/home/pi/fedprobe/venv"
    assert OPT not in str([action for change in plan(one) for action in change.actions])
    assert any('the inventory says python = "' in remark for remark in remarks(one))


def test_somebody_elses_environment_that_has_all_is_used() -> None:
    one = case(**{**ready_facts(), "named": ready_venv(ours=False)})
    assert venv_path(one) == OPT
    assert plan(one) == []


def test_a_strange_folder_in_the_work_folders_place_is_refused() -> None:
    theirs = {OPT: venv("other"), "/home/pi/fedprobe/venv": venv("other")}
    with pytest.raises(ProvisionError, match=r"^pi1: /home/pi/fedprobe/venv is there, is no virtual environment"):
        plan(case(venvs=theirs))


def test_a_bare_name_of_an_interpreter_makes_it_in_the_work_folder() -> None:
    lab = inventory()
    hosts = tuple(host.model_copy(update={"python": "python3"}) for host in lab.hosts)
    one = case(lab=lab.model_copy(update={"hosts": hosts}))
    assert venv_path(one) == "/home/pi/fedprobe/venv"
