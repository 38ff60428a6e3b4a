"""If these fail, the service cannot be run from the files in deploy/, or runs less safely."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from benchmarks import configuration_page
from tumorlens.serve import probe
from tumorlens.serve.settings import ENV_PREFIX, Settings, load_settings

ROOT = Path(__file__).parent.parent
SYSTEMD = ROOT / "deploy" / "systemd"
KUBERNETES = ROOT / "deploy" / "kubernetes"
# A unit of 10 has no protection at all; see systemd-analyze(1).
MOST_EXPOSED = 20


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def kubernetes(name: str):
    return yaml.safe_load((KUBERNETES / f"{name}.yaml").read_text())


def environment_is_known(names) -> bool:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    return {name for name in names if name.startswith(ENV_PREFIX)} <= known


def shutdown_seconds() -> float:
    return Settings.model_fields["shutdown_seconds"].default


class TestDockerfile:
    def test_what_runs_is_not_root_and_is_watched(self):
        last = [name for name, _ in instructions()]
        steps = instructions()[len(last) - last[::-1].index("FROM") :]
        known = dict(steps)
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", known["USER"])
        assert "tumorlens.serve.probe" in known["HEALTHCHECK"]
        assert json.loads(known["ENTRYPOINT"]) == ["tumorlens"]
        assert json.loads(known["CMD"]) == ["serve"]
        assert known["WORKDIR"].startswith("/")

    def test_images_are_named_with_their_version(self):
        for name, rest in instructions():
            if name == "FROM":
                assert re.match(r"python:3\.\d+-slim-\w+( AS \w+)?$", rest)

    def test_nothing_is_left_behind_or_fetched_unseen(self):
        for name, rest in instructions():
            assert name != "ADD"
            if "apt-get install" in rest:
                assert "--no-install-recommends" in rest
                assert "rm -rf /var/lib/apt/lists/*" in rest

    def test_no_training_library_is_installed(self):
        (extras,) = re.findall(r'"\.\[(.+?)\]"', (ROOT / "Dockerfile").read_text())
        assert set(extras.split(",")) == {"serve", "postgres", "nifti"}

    def test_every_file_that_is_copied_is_there_and_is_sent(self):
        sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines()
                if line.startswith("!")}  # fmt: skip
        for name, rest in instructions():
            if name == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert (ROOT / source).exists()
                    assert source in sent

    def test_its_settings_are_settings(self):
        (text,) = [rest for name, rest in instructions()[5:] if name == "ENV"]
        assert environment_is_known(pair.split("=")[0] for pair in text.split())


class TestCompose:
    @pytest.fixture
    def services(self):
        return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    def test_it_is_reached_from_this_machine_alone(self, services):
        assert services["tumorlens"]["ports"] == ["127.0.0.1:8000:8000"]
        assert "ports" not in services["database"]

    def test_it_waits_for_its_database_and_finishes_its_work(self, services):
        service = services["tumorlens"]
        assert service["depends_on"]["database"]["condition"] == "service_healthy"
        assert "healthcheck" in services["database"]
        assert float(service["stop_grace_period"].removesuffix("s")) > shutdown_seconds()

    def test_its_settings_are_settings(self, services):
        assert environment_is_known(services["tumorlens"]["environment"])

    def test_no_password_stands_in_it(self, services):
        url = services["tumorlens"]["environment"]["TUMORLENS_DATABASE_URL"]
        assert "${POSTGRES_PASSWORD:?" in url
        assert services["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${")

    def test_it_has_no_more_rights_than_it_needs(self, services):
        service = services["tumorlens"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


class TestSystemd:
    def test_its_settings_are_settings(self, monkeypatch):
        for name in Settings.model_fields:
            monkeypatch.delenv(ENV_PREFIX + name.upper(), raising=False)
        settings = load_settings(SYSTEMD / "tumorlens.toml")
        settings.check_safe()
        assert settings.accounts
        assert str(settings.data_dir) == "/var/lib/tumorlens"

    def test_it_is_given_the_time_to_finish_its_work(self):
        unit = (SYSTEMD / "tumorlens.service").read_text()
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
        assert int(seconds) > shutdown_seconds()

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
    def test_systemd_understands_it_and_finds_it_well_protected(self, tmp_path):
        text = (SYSTEMD / "tumorlens.service").read_text()
        unit = tmp_path / "tumorlens.service"
        unit.write_text(text.replace("/opt/tumorlens/bin/tumorlens", sys.executable))
        verify = subprocess.run(
            ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
        )
        assert str(unit) not in verify.stderr
        assert verify.returncode == 0, verify.stderr
        security = ["systemd-analyze", "security", "--offline=true"]
        subprocess.run([*security, f"--threshold={MOST_EXPOSED}", str(unit)], check=True,
                       capture_output=True)  # fmt: skip


class TestKubernetes:
    @pytest.fixture
    def pod(self):
        deployment = kubernetes("deployment")
        assert deployment["spec"]["replicas"] > 1
        return deployment["spec"]["template"]["spec"]

    def test_every_file_is_applied_and_every_applied_file_is_there(self):
        listed = set(kubernetes("kustomization")["resources"])
        assert listed == {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}

    def test_its_settings_are_settings(self):
        (made,) = kubernetes("kustomization")["configMapGenerator"]
        pairs = dict(one.split("=", 1) for one in made["literals"])
        assert environment_is_known(pairs)
        assert pairs["TUMORLENS_ACCOUNTS"] == pairs["TUMORLENS_HISTORY"] == "true"
        (host,) = json.loads(pairs["TUMORLENS_ALLOWED_HOSTS"])
        assert kubernetes("ingress")["spec"]["rules"][0]["host"] == host

    def test_it_is_asked_by_a_name_that_it_answers_for(self, pod):
        (made,) = kubernetes("kustomization")["configMapGenerator"]
        (hosts,) = [one for one in made["literals"] if one.startswith("TUMORLENS_ALLOWED_HOSTS=")]
        (container,) = pod["containers"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            (header,) = container[name]["httpGet"]["httpHeaders"]
            assert header["value"] in hosts
        assert container["livenessProbe"]["httpGet"]["path"].endswith("/health")
        assert container["readinessProbe"]["httpGet"]["path"].endswith("/ready")

    def test_it_has_no_more_rights_than_it_needs(self, pod):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_it_is_given_the_time_to_finish_its_work(self, pod):
        (container,) = pod["containers"]
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod["terminationGracePeriodSeconds"] > shutdown_seconds() + pause

    def test_nothing_is_let_out_but_to_the_database(self):
        ports = [port["port"] for rule in kubernetes("network")["spec"]["egress"]
                 for port in rule["ports"]]  # fmt: skip
        assert ports == [5432, 53, 53]


class TestProbe:
    def test_a_running_service_is_found_ready_by_a_name_that_it_answers_for(self, monkeypatch):
        asked = {}

        class Connection:
            host, port = "127.0.0.1", 1

            def __init__(self, host, port, **_):
                asked.update(host=host, port=port)

            def request(self, method, path, headers):
                asked.update(path=path, name=headers["Host"])

            def getresponse(self):
                return type("Response", (), {"status": 200})

            def close(self):
                pass

        monkeypatch.setattr(probe, "HTTPConnection", Connection)
        everywhere = "0.0.0.0"  # noqa: S104
        settings = Settings(host=everywhere, allowed_hosts=("a.example.org",), root_path="/mri")
        assert probe.problem(settings) is None
        assert asked == {"host": "127.0.0.1", "port": 8000, "path": "/mri/api/v1/ready",
                         "name": "a.example.org"}  # fmt: skip

    def test_no_service_is_said(self):
        assert "no answer at 127.0.0.1:1 " in probe.problem(Settings(port=1))


class TestConfigurationPage:
    def test_it_has_every_setting_as_it_is(self):
        assert configuration_page.PAGE.read_text() == configuration_page.page(), (
            "write it anew: python benchmarks/configuration_page.py"
        )


def test_the_figures_that_are_to_be_watched_are_there():
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text()
    named = set(re.findall(r"tumorlens_[a-z_]+", page))
    assert len(named) > 8
    source = (ROOT / "src" / "tumorlens" / "serve" / "metrics.py").read_text()
    assert {name for name in named if f'"{name}"' not in source} == set()


def test_the_image_has_what_the_project_needs_to_build():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sent = (ROOT / ".dockerignore").read_text()
    for source in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]:
        assert f"!{source}" in sent
