# SPDX-License-Identifier: Apache-2.0
"""Cases of ``scan_image``: images, databases and trivys that make a scan say "clean" about what it never looked at."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from demo import images
from tests.corpus.fail_open.case import Case, World, program, stand_in, write
from wardein.report import Severity
from wardein.tools import bbolt, trivydb
from wardein.tools.trivydb import Advisory

COLLECTED = datetime(2026, 1, 1, tzinfo=UTC)
AT_ANY_AGE = ("--database-max-age-days", "100000")
# Put together, so that scanners of this repository find nothing.
KEY = "AKIA" + "QYLPMN5HFIQR7XYA"
ADVISORIES = (
    Advisory("CVE-2022-22817", "pillow", "pip", Severity.CRITICAL, ("<9.0.1",), ("9.0.1",)),
    Advisory("CVE-2099-0001", "openssl", "debian 12", Severity.HIGH, fixed=("9.0-1",)),
    Advisory("CVE-2099-0002", "openssl", "debian 11", Severity.LOW, fixed=("0.1-1",)),
    Advisory("CVE-2099-0003", "musl", "alpine 3.22", Severity.LOW, fixed=("0.1",)),
    Advisory("CVE-2099-0004", "lodash", "npm", Severity.HIGH, ("<4.17.12",), ("4.17.12",)),
)
SITE = "usr/local/lib/python3.11/site-packages"
RECORD = f"{SITE}/pillow-9.0.0.dist-info"
PILLOW = b"Metadata-Version: 2.1\nName: pillow\nVersion: 9.0.0\n"
UNREADABLE = b"Metadata-Version 2.1\nNam pillow\n"
BASE, OTHER = images.base_layer(), images.tar(images.python_package("other", "1.0"))
VULNERABLE = images.tar({f"{RECORD}/METADATA": PILLOW})
Member = bytes | tuple[bytes, str]


def layer(members: Mapping[str, Member]) -> bytes:
    """A layer of files, and of links as (type, target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)
    return out.getvalue()


def link(target: str) -> Member:
    return tarfile.SYMTYPE, target


def database(folder: Path, advisories: Sequence[Advisory] = ADVISORIES, updated: datetime = COLLECTED) -> Path:
    trivydb.write_database(folder, advisories, updated)
    return folder


def bare_trivy(image: Path, data: Path, tool: Path | None = None, scanners: str = "vuln") -> list[str | Path]:
    """What a thin wrapper runs: the exit code is 1 if something is found."""
    return [
        *(tool or program("trivy"), "image", "--input", image, "--cache-dir", data, "--scanners", scanners),
        *("--skip-db-update", "--skip-java-db-update", "--offline-scan", "--exit-code", "1"),
    ]


def looked_at(
    folder: Path,
    image: Path,
    data: Path | None = None,
    options: Sequence[str | Path] = AT_ANY_AGE,
    what: str = "vuln",
    environment: Mapping[str, str] | None = None,
    tool: Path | None = None,
) -> World:
    """The world in which an image is scanned, by wardein and barely."""
    data = data or database(folder / "data")
    given: list[str | Path] = ["--image", image, *options]
    given += [part for name in what.split(",") for part in ("--scanners", name)]
    given += ["--database", data] if "vuln" in what else []
    (folder / "tree").mkdir(exist_ok=True)
    return World(given, environment or {}, bare_trivy(image, data, tool, what), folder / "tree")


def of_layers(*layers: bytes, what: str = "vuln", **settings: Any) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        images.write_layout(folder / "image", layers, **settings)
        return looked_at(folder, folder / "image", what=what)

    return make


def hidden(members: Mapping[str, Member]) -> Callable[[Path], World]:
    """A package among others whose record trivy does not see or does not understand."""
    return of_layers(BASE, OTHER, layer(members))


def case(
    what: str, expected: Literal["FAIL", "ERROR"], told: str, make: Callable[[Path], World], *, fake: bool = False
) -> Case:
    return Case("scan_image", what, expected, told, make, fake)


# Packages that are not looked up


def alpine(claimant: str) -> bytes:
    installed = f"P:{claimant}\nV:1.2.5-r9\nA:x86_64\nL:MIT\no:{claimant}\nF:{RECORD}\nR:METADATA\n\n"
    return images.tar(
        {
            "etc/alpine-release": b"3.22.1\n",
            "etc/os-release": b"ID=alpine\nVERSION_ID=3.22.1\n",
            "lib/apk/db/installed": installed.encode(),
            f"{RECORD}/METADATA": PILLOW,
        }
    )


DEBIAN_CLAIM = images.tar(
    {
        "etc/os-release": images.DEBIAN_RELEASE.format(12).encode(),
        "etc/debian_version": b"12.5\n",
        "var/lib/dpkg/status": images.dpkg_status({"bash": "5.2-1"}),
        "var/lib/dpkg/info/bash.md5sums": f"{'0' * 32}  {RECORD}/METADATA\n".encode(),
        f"{RECORD}/METADATA": PILLOW,
    }
)
UNKNOWN = images.tar(
    {"etc/os-release": b"ID=frobnix\nVERSION_ID=1\n", "var/lib/dpkg/status": images.dpkg_status({"openssl": "3.0-1"})}
)
OPENSSL = images.base_layer({"openssl": "3.0-1"})
DISGUISE = images.tar({"etc/os-release": images.DEBIAN_RELEASE.format(11).encode(), "etc/debian_version": b"11.9\n"})
CONDA = images.tar({"opt/conda/conda-meta/openssl-1.1.1q-0.json": b'{"name": "openssl", "version": "1.1.1q"}'})
FOREIGN = images.tar(
    {
        "etc/os-release": images.DEBIAN_RELEASE.format(12).encode(),
        "etc/debian_version": b"12.5\n",
        "var/lib/dpkg/status": images.dpkg_status({"bash": "5.2-1"})
        + b"Package: cuda\nStatus: install ok installed\nArchitecture: amd64\n"
        b"Maintainer: cudatools <cudatools@nvidia.com>\nVersion: 12.1-1\nDescription: cuda\n\n",
    }
)
BEHIND_A_LINK: Mapping[str, Member] = {"opt/m/METADATA": PILLOW, RECORD: link("/opt/m")}
LOOP: Mapping[str, Member] = {
    f"{SITE}/a-1.dist-info": link("b-1.dist-info"),
    f"{SITE}/b-1.dist-info": link("a-1.dist-info"),
}

PACKAGES = (
    case("a distribution that trivy does not know", "ERROR", "was not recognised", of_layers(UNKNOWN, OTHER)),
    case("a later layer says that it is another release", "ERROR", "says of itself", of_layers(OPENSSL, DISGUISE)),
    case("a release without advisories", "ERROR", "'debian 13'", of_layers(images.base_layer(debian="13"))),
    case(
        "the package database is deleted",
        "ERROR",
        "missing or empty",
        of_layers(OPENSSL, OTHER, images.tar({"var/lib/dpkg/.wh.status": b""})),
    ),
    case("an image without any package", "ERROR", "none was found", of_layers(images.tar({"serve": b"program"}))),
    case("conda packages", "ERROR", "--accept-unexamined conda", of_layers(BASE, CONDA)),
    case("packages of another vendor", "ERROR", "--accept-unexamined third-party", of_layers(FOREIGN)),
    case("a package of Alpine claims another's record", "FAIL", "CVE-2022-22817", of_layers(OTHER, alpine("musl"))),
    case("a package of Debian claims another's record", "FAIL", "CVE-2022-22817", of_layers(OTHER, DEBIAN_CLAIM)),
    case(
        "metadata that cannot be read",
        "ERROR",
        "pillow-9.0.0.dist-info/METADATA: the Python package's metadata could not be read",
        hidden({f"{RECORD}/METADATA": UNREADABLE}),
    ),
    case(
        "metadata that cannot be read, among Debian's own",
        "ERROR",
        "dist-packages/pillow-9.0.0.dist-info/METADATA: the Python",
        hidden({"usr/lib/python3/dist-packages/pillow-9.0.0.dist-info/METADATA": UNREADABLE}),
    ),
    case(
        "a record of one file that cannot be read",
        "ERROR",
        "pillow-9.0.0.egg-info: the Python",
        hidden({f"{SITE}/pillow-9.0.0.egg-info": UNREADABLE}),
    ),
    case("a damaged egg", "ERROR", "cannot be opened", hidden({f"{SITE}/pillow-9.0.0-py3.11.egg": b"PK\x03\x04"})),
    case("a record behind a link", "FAIL", "CVE-2022-22817", hidden(BEHIND_A_LINK)),
    case("records that are links to each other", "ERROR", "link to nothing", hidden(LOOP)),
    case(
        "a record as a second name of a file",
        "FAIL",
        "CVE-2022-22817",
        hidden({"opt/m/METADATA": PILLOW, f"{RECORD}/METADATA": (tarfile.LNKTYPE, "opt/m/METADATA")}),
    ),
    case(
        "a record in capital letters",
        "FAIL",
        "CVE-2022-22817",
        hidden({f"{SITE}/pillow-9.0.0.Dist-Info/METADATA": PILLOW}),
    ),
    case(
        "two names in one record",
        "ERROR",
        "more than one name",
        hidden({f"{RECORD}/METADATA": b"Metadata-Version: 2.1\nName: other\nName: pillow\nVersion: 9.0.0\n"}),
    ),
    case(
        "a version that cannot be compared",
        "ERROR",
        "Version matching error",
        hidden({f"{RECORD}/METADATA": PILLOW.replace(b"9.0.0", b"unknown")}),
    ),
    case(
        "a later layer deletes the metadata and leaves the package",
        "ERROR",
        "its METADATA is missing",
        of_layers(
            BASE,
            OTHER,
            images.tar({f"{RECORD}/METADATA": PILLOW, f"{RECORD}/RECORD": b"PIL/__init__.py,,\n"}),
            images.tar({f"{RECORD}/.wh.METADATA": b""}),
        ),
    ),
    case(
        "a wheel that lies ready",
        "FAIL",
        "CVE-2022-22817",
        hidden({"wheels/pillow-9.0.0-cp311-cp311-linux_x86_64.whl": b""}),
    ),
    case(
        "a package of Node that cannot be read",
        "ERROR",
        "the Node package's metadata could not be read",
        hidden({"app/node_modules/lodash/package.json": b'{"name":"lodash","version":"4.17.0",}'}),
    ),
    case(
        "an archive of Java without its database",
        "ERROR",
        "(?i)java",
        of_layers(BASE, images.tar({"app/x.jar": b"PK\x05\x06" + b"\0" * 18})),
    ),
    case(
        "an end-of-life distribution",
        "FAIL",
        "no longer gets security updates",
        lambda folder: looked_at(
            folder,
            _layout(folder, images.base_layer(debian="9")),
            database(folder / "data", [Advisory("CVE-1", "zlib", "debian 9", Severity.LOW)]),
        ),
    ),
)


def _layout(folder: Path, *layers: bytes) -> Path:
    images.write_layout(folder / "image", layers)
    return folder / "image"


# The image itself


def _docker(change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        members = images.docker_archive([BASE, OTHER, VULNERABLE])
        change(members)
        (folder / "image.tar").write_bytes(images.tar(members))
        return looked_at(folder, folder / "image.tar")

    return make


def _content(content: bytes) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        (folder / "image.tar").write_bytes(content)
        return looked_at(folder, folder / "image.tar")

    return make


def _lying(diff_id_of: bytes, content: bytes) -> dict[str, bytes]:
    """An archive whose configuration says that its last layer is another one."""
    members = images.docker_archive([BASE, OTHER, diff_id_of])
    return members | {"2/layer.tar": content}


def _poisoned(folder: Path) -> World:
    """A cache in which a scan of a lying image has left that the vulnerable layer is clean."""
    data = database(folder / "data")
    (folder / "lying.tar").write_bytes(images.tar(_lying(VULNERABLE, images.tar({"clean": b""}))))
    subprocess.run(list(map(str, bare_trivy(folder / "lying.tar", data))), check=False, capture_output=True, cwd=folder)
    (folder / "image.tar").write_bytes(images.tar(images.docker_archive([BASE, OTHER, VULNERABLE])))
    return looked_at(folder, folder / "image.tar", data)


def _two_images(folder: Path) -> World:
    """What docker reads of it is clean, what podman reads is not."""
    images.write_layout(folder / "other", [BASE, OTHER, VULNERABLE])
    other = {str(p.relative_to(folder / "other")): p.read_bytes() for p in (folder / "other").rglob("*") if p.is_file()}
    (folder / "image.tar").write_bytes(images.tar({**other, **images.docker_archive([BASE, OTHER])}))
    return looked_at(folder, folder / "image.tar")


def _renamed_for_all() -> bytes:
    """A layer whose global header gives all members another name, which Go's reader does not look at."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "x"}) as archive:
        member = tarfile.TarInfo(f"{RECORD}/METADATA")
        member.size = len(UNREADABLE)
        archive.addfile(member, io.BytesIO(UNREADABLE))
    return out.getvalue()


WHOLE = images.tar(images.docker_archive([BASE, OTHER]))
IMAGES = (
    case("a poisoned cache", "FAIL", "CVE-2022-22817", _poisoned),
    case(
        "a layer that is swapped for a clean one",
        "ERROR",
        "layer 2: is not the layer that the configuration lists",
        _docker(lambda members: members.update(_lying(VULNERABLE, images.tar({"clean": b""})))),
    ),
    case(
        "a configuration that lies about a layer",
        "ERROR",
        "layer 2: is not the layer",
        _docker(lambda members: members.update(_lying(images.tar({"clean": b""}), VULNERABLE))),
    ),
    case("an archive of two images", "ERROR", "two images", _two_images),
    case("a truncated archive", "ERROR", "damaged or truncated|missing", _content(WHOLE[: len(WHOLE) // 2])),
    case("an archive of zeros", "ERROR", "not an image|damaged", _content(b"\0" * 10240)),
    case("junk", "ERROR", "damaged or truncated", _content(b"junk" * 5000)),
    case("an empty file", "ERROR", r"0 bytes", _content(b"")),
    case("a tar that is no image", "ERROR", "not an image", _content(images.tar({"a": b"b"}))),
    case("a layer that is no tar", "ERROR", "layer 2: is not a complete tar", of_layers(BASE, OTHER, b"no tar" * 200)),
    case("a layer that readers take differently", "ERROR", "several ways", of_layers(BASE, OTHER, _renamed_for_all())),
    case(
        "a layer that leaves its root",
        "ERROR",
        "take for different files",
        of_layers(BASE, OTHER, images.tar({f"../{RECORD}/METADATA": UNREADABLE})),
    ),
)

# Settings and secrets

SECRET = f"AWS_ACCESS_KEY_ID={KEY}\n".encode()


def _history(folder: Path) -> World:
    """The configuration runs as root; its history says that a user was set."""
    members = images.docker_archive([BASE, OTHER])
    name = next(name for name in members if name.endswith(".json") and name != "manifest.json")
    config = json.loads(members[name])
    config["config"]["User"] = ""
    members[name] = json.dumps(config).encode()
    (folder / "image.tar").write_bytes(images.tar(members))
    world = looked_at(folder, folder / "image.tar", what="misconfig")
    position = world.bare.index("--scanners")
    bare = [*world.bare[:position], "--image-config-scanners", "misconfig", *world.bare[position + 2 :]]
    return World(world.arguments, world.environment, bare, world.tree)


def _switched_off(folder: Path) -> World:
    """Everything that trivy reads beside its arguments: files where it is run, and variables."""
    image = _layout(folder, BASE, layer({f"{RECORD}/METADATA": PILLOW}))
    write(
        folder / "tree",
        {
            ".trivyignore": "CVE-2022-22817\n",
            "trivy.yaml": "severity: [LOW]\n",
            "trivy-secret.yaml": "disable-rules: [aws-access-key-id]\n",
        },
    )
    return looked_at(folder, image)


def _variables(folder: Path) -> World:
    image = _layout(folder, BASE, VULNERABLE)
    return looked_at(folder, image, environment={"TRIVY_SEVERITY": "LOW", "TRIVY_IGNORE_UNFIXED": "true"})


SETTINGS = (
    case(
        "a secret in a deleted file",
        "FAIL",
        "aws-access-key-id app/key",
        of_layers(BASE, images.tar({"app/key": SECRET}), images.tar({"app/.wh.key": b""}), what="secret"),
    ),
    case(
        "a secret among tests",
        "FAIL",
        "aws-access-key-id app/tests/test_key.py",
        of_layers(BASE, images.tar({"app/tests/test_key.py": SECRET}), what="secret"),
    ),
    case(
        "a secret in a README",
        "FAIL",
        "aws-access-key-id README.md",
        of_layers(BASE, images.tar({"README.md": SECRET}), what="secret"),
    ),
    case(
        "a token in a setting",
        "FAIL",
        "image/secret-variable image configuration ENV HF_TOKEN",
        of_layers(BASE, what="secret", env=["HF_TOKEN=not-so-secret"]),
    ),
    case("a history that lies about the user", "FAIL", "DS-0002", _history),
    case("ignore files where trivy is run", "FAIL", "CVE-2022-22817", _switched_off),
    case("stray variables", "FAIL", "CVE-2022-22817", _variables),
)

# The database


def _spoilt(
    spoil: Callable[[Path], None] = lambda data: None,
    advisories: Sequence[Advisory] = ADVISORIES,
    updated: datetime = COLLECTED,
    options: Sequence[str] = AT_ANY_AGE,
    layers: Sequence[bytes] = (OPENSSL, VULNERABLE),
) -> Callable[[Path], World]:
    def make(folder: Path) -> World:
        data = database(folder / "data", advisories, updated)
        spoil(data / "db")
        return looked_at(folder, _layout(folder, *layers), data, options)

    return make


def _content_of(content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda data: (data / "trivy.db").write_bytes(content((data / "trivy.db").read_bytes())) and None


def _schema(version: int) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        path = data / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"Version": version}))

    return change


def _lacks(bucket: str) -> list[Advisory]:
    return [advisory for advisory in ADVISORIES if advisory.bucket != bucket]


EMPTY = bbolt.encode({})
HOLLOW = bbolt.encode({b"debian 12": {b"openssl": {}}, b"vulnerability": {b"CVE-1": b"{}"}})
OLD = datetime(2023, 1, 1, tzinfo=UTC)
OF_OLD = (
    Advisory("CVE-2012-0001", "openssl", "debian 12", Severity.HIGH, fixed=("1.0-1",)),
    Advisory("CVE-2012-0002", "pillow", "pip", Severity.HIGH, ("<2",), ("2",)),
)
DATABASES = (
    case("an empty database", "ERROR", "no advisory at all", _spoilt(_content_of(lambda _: EMPTY))),
    case(
        "a database of packages without advisories",
        "ERROR",
        "no advisory at all",
        _spoilt(_content_of(lambda _: HOLLOW)),
    ),
    case(
        "a database without the distribution",
        "ERROR",
        "'debian 12'",
        _spoilt(advisories=_lacks("debian 12"), layers=(OPENSSL, OTHER)),
    ),
    case("a database without Python", "ERROR", "'pip'", _spoilt(advisories=_lacks("pip"), layers=(BASE, VULNERABLE))),
    case("a database of years ago", "ERROR", "older than 3 days", _spoilt(advisories=OF_OLD, updated=OLD, options=())),
    case("a truncated database", "ERROR", "trivy.db|failed with code 2", _spoilt(_content_of(lambda b: b[:9000]))),
    case("a database of junk", "ERROR", "not a bbolt file", _spoilt(_content_of(lambda _: b"junk" * 9000))),
    case("a database of schema 1", "ERROR", "schema is 1", _spoilt(_schema(1))),
    case("a database of schema 3", "ERROR", "schema is 3", _spoilt(_schema(3))),
    case(
        "a database without metadata",
        "ERROR",
        "no vulnerability",
        _spoilt(lambda data: (data / "metadata.json").unlink()),
    ),
)

# The program


def _impostor(body: str, version: str = "0.76.0") -> Callable[[Path], World]:
    """A program in trivy's place; ``out`` is the report's file, if any, and ``real()`` runs the real one."""

    def make(folder: Path) -> World:
        preface = (
            "import subprocess\nif 'version' in args[:1]:\n"
            f"    print(json.dumps({{'Version': {version!r}}}))\n    sys.exit(0)\n"
            "out = args[args.index('--output') + 1] if '--output' in args else os.devnull\n"
            f"real = lambda: subprocess.run([{str(program('trivy'))!r}, *args]).returncode\n"
        )
        tool = stand_in(folder / "bin", "trivy", preface + body)
        image = _layout(folder, OPENSSL, VULNERABLE)
        return looked_at(folder, image, environment={"WARDEIN_TRIVY": str(tool)}, tool=tool)

    return make


def _missing(folder: Path) -> World:
    image = _layout(folder, OPENSSL, VULNERABLE)
    return looked_at(folder, image, environment={"WARDEIN_TRIVY": str(folder / "nowhere")}, tool=folder / "nowhere")


OTHER_IMAGE = "{'SchemaVersion': 2, 'Metadata': {'ImageID': 'sha256:0', 'DiffIDs': []}, 'Results': []}"
CHANGED = "real(); d = json.load(open(out)) if out != os.devnull else {}; "
PROGRAMS = (
    case("trivy is missing", "ERROR", "WARDEIN_TRIVY", _missing),
    case("trivy of a malicious release", "ERROR", "malicious", _impostor("sys.exit(0)", "0.69.5"), fake=True),
    case(
        "trivy of an older release", "ERROR", "not a release of 0.76.0", _impostor("sys.exit(0)", "0.50.0"), fake=True
    ),
    case("trivy is killed", "ERROR", "failed with code -9", _impostor("os.kill(os.getpid(), 9)"), fake=True),
    case("trivy does nothing and ends with 0", "ERROR", "failed with code 0", _impostor("sys.exit(0)"), fake=True),
    case("trivy writes an empty report", "ERROR", "failed with", _impostor("open(out, 'w'); sys.exit(0)"), fake=True),
    case(
        "trivy writes half a report",
        "ERROR",
        "failed with code 0",
        _impostor("open(out, 'w').write('{\"Schema'); sys.exit(0)"),
        fake=True,
    ),
    case(
        "trivy reports on another image",
        "ERROR",
        "another image",
        _impostor(f"json.dump({OTHER_IMAGE}, open(out, 'w')); sys.exit(0)"),
        fake=True,
    ),
    case(
        "trivy writes another schema",
        "ERROR",
        "another format",
        _impostor(CHANGED + "d['SchemaVersion'] = 3; json.dump(d, open(out, 'w')); sys.exit(0)"),
        fake=True,
    ),
    case(
        "trivy finds something and ends with 0",
        "ERROR",
        "its report says 10",
        _impostor("real(); sys.exit(0)"),
        fake=True,
    ),
    case(
        "trivy loses a layer and only logs it",
        "ERROR",
        "lost a layer",
        _impostor("r = real(); print('now\\tERROR\\tlost a layer', file=sys.stderr); sys.exit(r)"),
        fake=True,
    ),
    case(
        "trivy floods its output",
        "ERROR",
        "printed more than",
        _impostor("b = b' ' * (1 << 24)\nfor _ in range(20): os.write(1, b)\nsys.exit(0)"),
        fake=True,
    ),
)

CASES: tuple[Case, ...] = (*PACKAGES, *IMAGES, *SETTINGS, *DATABASES, *PROGRAMS)
