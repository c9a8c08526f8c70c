# SPDX-License-Identifier: Apache-2.0
"""Images are known by their digest, and a verified copy holds nothing that is not what its digest says."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo import images
from wardein.errors import WardeinError
from wardein.images import copy as imagecopy
from wardein.images.copy import VerifiedImage, verified_copy
from wardein.images.identity import identify
from wardein.images.packages import Package
from wardein.images.records import Record
from wardein.images.registry import open_reference

LOWER, UPPER = images.base_layer(), images.tar({"app/serve.py": b"print()" * 500})
LAYERS = [LOWER, UPPER]


def look(image: Path | str) -> VerifiedImage:
    with verified_copy(str(image)) as copy:
        return copy


def refuse(image: Path | str, says: str) -> None:
    with pytest.raises(WardeinError, match=says) as caught:
        look(image)
    assert "\n" not in str(caught.value)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    images.write_layout(tmp_path / "layout", LAYERS)
    return tmp_path / "layout"


def blobs(layout: Path) -> list[Path]:
    """Configuration, manifest, layers, in the order of their sizes."""
    return sorted((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)


def archive(path: Path, members: dict[str, bytes]) -> Path:
    path.write_bytes(images.tar(members))
    return path


# Which image is meant


def test_identity_of_each_form(tmp_path: Path) -> None:
    digest = images.write_layout(tmp_path / "layout", LAYERS).removeprefix("sha256:")
    assert identify(str(tmp_path / "layout")) == digest
    assert identify(f"registry.example.org:5000/team/app:1@sha256:{digest}") == digest
    file = images.write_docker_archive(tmp_path / "image.tar", LAYERS)
    assert identify(str(file)) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("python:3.11", "pinned by digest"),
        ("python@sha256:abc", "pinned by digest"),
        ("Python@sha256:" + "0" * 64, "pinned by digest"),
        ("app@sha256:" + "A" * 64, "pinned by digest"),
        ("app@sha512:" + "0" * 128, "pinned by digest"),
        ("./image.tar", "does not exist"),
        ("image.tar", "does not exist"),
        ("", "pinned by digest"),
    ],
)
def test_what_stands_for_no_image(image: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(WardeinError, match=says if image else "index.json|pinned"):
        identify(image)


def test_empty_file_and_linked_file_are_no_image(tmp_path: Path) -> None:
    (tmp_path / "empty.tar").touch()
    with pytest.raises(WardeinError, match="0 bytes"):
        identify(str(tmp_path / "empty.tar"))
    file = images.write_docker_archive(tmp_path / "image.tar", LAYERS)
    (tmp_path / "link.tar").symlink_to(file)
    with pytest.raises(WardeinError, match="symbolic link"):
        identify(str(tmp_path / "link.tar"))


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (b"", "not valid JSON"),
        (b"[]", "exactly one manifest"),
        (b'{"manifests": []}', "exactly one manifest"),
        (b'{"manifests": [{}, {}]}', "exactly one manifest"),
        (b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}', "not a sha256"),
        (b'{"manifests": [1]}', "not a sha256"),
    ],
)
def test_index_that_names_no_image(layout: Path, index: bytes, says: str) -> None:
    (layout / "index.json").write_bytes(index)
    with pytest.raises(WardeinError, match=says):
        identify(str(layout))


def test_huge_index_is_not_read(layout: Path) -> None:
    with open(layout / "index.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(WardeinError, match="larger than"):
        identify(str(layout))


# A good image, in every form


def test_copy_says_what_the_image_is(layout: Path) -> None:
    with verified_copy(str(layout)) as copy:
        assert copy.digest == identify(str(layout))
        assert copy.diff_ids == tuple(map(images.sha256, LAYERS))
        assert copy.config["config"]["User"] == "1000"
        assert [record.path for record in copy.of_kind("os")] == ["var/lib/dpkg/status"]
        assert copy.releases == {("debian", "12")}
        for blob in (copy.layout / "blobs" / "sha256").iterdir():
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert not copy.layout.exists()


@pytest.mark.parametrize("compress", [True, False])
def test_forms_agree(tmp_path: Path, compress: bool) -> None:
    images.write_layout(tmp_path / "layout", LAYERS, compress=compress)
    files = {str(p.relative_to(tmp_path / "layout")): p.read_bytes() for p in (tmp_path / "layout").rglob("*.*")}
    files |= {f"blobs/sha256/{p.name}": p.read_bytes() for p in blobs(tmp_path / "layout")}
    oci = archive(tmp_path / "oci.tar", files | {"oci-layout": b"{}"})
    docker = archive(tmp_path / "docker.tar", images.docker_archive(LAYERS, compress=compress))
    (tmp_path / "docker.tar.gz").write_bytes(gzip.compress(docker.read_bytes()))
    seen = [look(form) for form in (tmp_path / "layout", oci, docker, tmp_path / "docker.tar.gz")]
    assert len({(c.config_digest, c.diff_ids, c.records) for c in seen}) == 1


def test_same_layer_twice(tmp_path: Path) -> None:
    images.write_layout(tmp_path / "layout", [UPPER, UPPER])
    assert len(look(tmp_path / "layout").diff_ids) == 2


def test_newer_docker_archive_with_blobs(tmp_path: Path) -> None:
    """Docker 25 and later save a layout with a manifest.json that points into it."""
    members = images.docker_archive(LAYERS)
    entry = json.loads(members["manifest.json"])[0]
    renamed = {
        f"blobs/sha256/{hashlib.sha256(members[n]).hexdigest()}": members[n] for n in members if n != "manifest.json"
    }
    path = {name: f"blobs/sha256/{hashlib.sha256(members[name]).hexdigest()}" for name in members}
    entry |= {"Config": path[entry["Config"]], "Layers": [path[name] for name in entry["Layers"]]}
    file = archive(tmp_path / "image.tar", {**renamed, "manifest.json": json.dumps([entry]).encode()})
    assert look(file).diff_ids == tuple(map(images.sha256, LAYERS))


# Broken layouts


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_one_changed_byte_in_a_blob(layout: Path, which: int) -> None:
    blob = blobs(layout)[which]
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    refuse(layout, "is not what its digest says")


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_truncated_blob(layout: Path, which: int) -> None:
    blob = blobs(layout)[which]
    blob.write_bytes(blob.read_bytes()[:-1])
    refuse(layout, "is not what its digest says")


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_missing_blob(layout: Path, which: int) -> None:
    blobs(layout)[which].unlink()
    refuse(layout, "cannot be opened")


def test_linked_blob(layout: Path, tmp_path: Path) -> None:
    blob = blobs(layout)[2]
    moved = blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(moved)
    refuse(layout, "cannot be opened")


def rewrite(layout: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change manifest and configuration and mend every digest, as somebody would who wants to deceive."""
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads((layout / "blobs" / "sha256" / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((layout / "blobs" / "sha256" / manifest["config"]["digest"][7:]).read_text())
    change(manifest, config)
    manifest["config"]["digest"] = "sha256:" + images.write_blob(layout, json.dumps(config).encode()).name
    index["manifests"][0]["digest"] = "sha256:" + images.write_blob(layout, json.dumps(manifest).encode()).name
    (layout / "index.json").write_text(json.dumps(index))


def _swap_diff_ids(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"].reverse()


def _repeat_diff_id(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"][1] = config["rootfs"]["diff_ids"][0]


def _drop_diff_id(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"].pop()


def _drop_layers(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    manifest["layers"], config["rootfs"]["diff_ids"] = [], []


def _windows(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    config["os"] = "windows"


def _no_root(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    del config["rootfs"]


def _index(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    manifest["mediaType"], manifest["manifests"] = images.INDEX_TYPE, [manifest["config"]]


def _artifact_layer(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    manifest["layers"][0]["mediaType"] = "application/vnd.in-toto+json"


def _path_for_digest(manifest: dict[str, Any], config: dict[str, Any]) -> None:
    manifest["layers"][0]["digest"] = "sha256:../../../../etc/passwd"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_swap_diff_ids, "layer 0: is not the layer that the configuration lists"),
        (_repeat_diff_id, "layer 1: is not the layer that the configuration lists"),
        (_drop_diff_id, "lists 1 layers, the manifest 2"),
        (_drop_layers, "nothing to examine"),
        (_windows, "only Linux"),
        (_no_root, "rootfs"),
        (_index, "several platforms"),
        (_artifact_layer, "not a file system"),
        (_path_for_digest, "is not a sha256"),
    ],
)
def test_layout_that_lies_with_right_digests(
    layout: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], says: str
) -> None:
    rewrite(layout, change)
    refuse(layout, says)


def test_zstd_layer_is_not_passed_over(layout: Path) -> None:
    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        blob = images.write_blob(layout, b"\x28\xb5\x2f\xfd" + b"\0" * 20)
        manifest["layers"][0] |= {"digest": f"sha256:{blob.name}", "mediaType": images.LAYER_TYPE + "+zstd"}

    rewrite(layout, change)
    refuse(layout, "compressed with zstd")


def test_layers_that_unpack_without_end(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagecopy, "MAX_UNPACKED", len(LOWER) + len(UPPER) - 1)
    refuse(layout, "layer 1: the layers unpack to more than")


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b + b"trailing", lambda b: b[:20] + b"\0\0" + b[22:]])
def test_damaged_gzip_with_a_right_digest(layout: Path, damage: Callable[[bytes], bytes]) -> None:
    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        blob = images.write_blob(layout, damage(gzip.compress(LOWER, mtime=0)))
        manifest["layers"][0]["digest"] = f"sha256:{blob.name}"

    rewrite(layout, change)
    refuse(layout, "layer 0: is not")


# Broken archives


def _swapped(members: dict[str, bytes]) -> None:
    members["0/layer.tar"], members["1/layer.tar"] = members["1/layer.tar"], members["0/layer.tar"]


def _changed(members: dict[str, bytes]) -> None:
    content = bytearray(members["1/layer.tar"])
    content[700] ^= 1
    members["1/layer.tar"] = bytes(content)


def _missing(members: dict[str, bytes]) -> None:
    del members["1/layer.tar"]


def _manifest(text: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = text.encode()

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_swapped, "layer 0: is not the layer"),
        (_changed, "layer 1: is not the layer"),
        (_missing, "is missing from the archive"),
        (_manifest("[]"), "exactly one image"),
        (_manifest("[{}, {}]"), "exactly one image"),
        (_manifest("[{}]"), "lists no layers"),
        (_manifest("[3]"), "not a JSON object"),
        (_manifest('[{"Config": "../../etc/passwd", "Layers": []}]'), "missing from the archive"),
        (_manifest('{"a": 1, "a": 2}'), "duplicate key"),
        (lambda members: members.pop("manifest.json"), "without manifest.json"),
    ],
)
def test_broken_docker_archive(tmp_path: Path, change: Callable[[dict[str, bytes]], None], says: str) -> None:
    members = images.docker_archive(LAYERS)
    change(members)
    refuse(archive(tmp_path / "image.tar", members), says)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_member_that_is_no_file(tmp_path: Path, kind: bytes) -> None:
    members = images.docker_archive(LAYERS)
    del members["1/layer.tar"]
    out = io.BytesIO(images.tar(members))
    with tarfile.open(fileobj=out, mode="a") as tar:
        member = tarfile.TarInfo("1/layer.tar")
        member.type, member.linkname = kind, "../../../../etc/passwd"
        tar.addfile(member)
    (tmp_path / "image.tar").write_bytes(out.getvalue())
    refuse(tmp_path / "image.tar", "is a link or a special file")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1/layer.tar", "appears twice"),
        ("./1/layer.tar", "appears twice"),
        ("0/../1/layer.tar", "take for different files"),
        ("/manifest.json", "take for different files"),
        (".//manifest.json", "take for different files"),
        ("././manifest.json", "take for different files"),
        ("../manifest.json", "take for different files"),
        ("1//layer.tar", "take for different files"),
    ],
)
def test_member_that_appears_twice(tmp_path: Path, name: str, says: str) -> None:
    out = io.BytesIO(images.tar(images.docker_archive(LAYERS)))
    with tarfile.open(fileobj=out, mode="a") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(LOWER)
        tar.addfile(member, io.BytesIO(LOWER))
    (tmp_path / "image.tar").write_bytes(out.getvalue())
    refuse(tmp_path / "image.tar", says)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_link_or_folder_that_has_the_name_of_a_file(tmp_path: Path, kind: bytes) -> None:
    out = io.BytesIO(images.tar(images.docker_archive(LAYERS) | {"oci-layout": b"{}"}))
    with tarfile.open(fileobj=out, mode="a") as tar:
        member = tarfile.TarInfo("oci-layout")
        member.type, member.linkname = kind, "manifest.json"
        tar.addfile(member)
    (tmp_path / "image.tar").write_bytes(out.getvalue())
    refuse(tmp_path / "image.tar", "appears twice")


def test_archive_made_of_a_folder_is_read(layout: Path, tmp_path: Path) -> None:
    """tar calls the members ./index.json and so on, and adds the folders."""
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        tar.add(layout, arcname=".")
    assert look(tmp_path / "image.tar").diff_ids == tuple(map(images.sha256, LAYERS))


# Archives with two descriptions: manifest.json, which docker reads, and index.json, which podman reads


def two_views(tmp_path: Path, docker: list[bytes], oci: list[bytes]) -> dict[str, bytes]:
    """An archive as newer versions of docker save it, whose two descriptions can be of two images."""
    folders = tmp_path / "docker", tmp_path / "oci"
    members: dict[str, bytes] = {}
    manifests = []
    for folder, layers in zip(folders, (docker, oci), strict=True):
        images.write_layout(folder, layers)
        members |= {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        index = json.loads((folder / "index.json").read_text())
        manifests.append(json.loads(members[f"blobs/sha256/{index['manifests'][0]['digest'][7:]}"]))
    path = "blobs/sha256/{}".format
    entry = {
        "Config": path(manifests[0]["config"]["digest"][7:]),
        "Layers": [path(layer["digest"][7:]) for layer in manifests[0]["layers"]],
    }
    return members | {"manifest.json": json.dumps([entry]).encode()}


def nest(members: dict[str, bytes], *more: dict[str, Any]) -> None:
    """Put an index of platforms between index.json and the manifest, as docker with containerd does."""
    index = json.loads(members["index.json"])
    inner = json.dumps({"schemaVersion": 2, "manifests": [*index["manifests"], *more]}).encode()
    digest = images.sha256(inner)
    members[f"blobs/sha256/{digest[7:]}"] = inner
    members["index.json"] = json.dumps({"manifests": [{"digest": digest, "mediaType": images.INDEX_TYPE}]}).encode()


ABSENT = {"digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "arm64"}}


def test_two_descriptions_of_one_image(tmp_path: Path) -> None:
    members = two_views(tmp_path, LAYERS, LAYERS)
    assert look(archive(tmp_path / "image.tar", members)).diff_ids == tuple(map(images.sha256, LAYERS))
    origin = json.dumps({"config": {"digest": ABSENT["digest"]}, "layers": []}).encode()
    members[f"blobs/sha256/{images.sha256(origin)[7:]}"] = origin
    nobody = {"os": "unknown", "architecture": "unknown"}
    nest(members, ABSENT, {"digest": images.sha256(origin), "platform": nobody})
    assert look(archive(tmp_path / "image.tar", members)).diff_ids == tuple(map(images.sha256, LAYERS))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("other", [[LOWER], [UPPER, LOWER], [LOWER, images.tar({"a": b"b"})]])
def test_two_descriptions_of_two_images(tmp_path: Path, other: list[bytes], nested: bool) -> None:
    members = two_views(tmp_path, LAYERS, other)
    if nested:
        nest(members, ABSENT)
    refuse(archive(tmp_path / "image.tar", members), "manifest.json and index.json: describe two images")


def test_second_description_that_leads_to_other_bytes(tmp_path: Path) -> None:
    """Whoever trusts the names of the blobs reads another layer than manifest.json names."""
    members = two_views(tmp_path, LAYERS, LAYERS)
    entry = json.loads(members["manifest.json"])
    blob = entry[0]["Layers"][1]
    members |= {"1/layer.tar": members[blob], blob: gzip.compress(LOWER)}
    entry[0]["Layers"][1] = "1/layer.tar"
    members["manifest.json"] = json.dumps(entry).encode()
    refuse(archive(tmp_path / "image.tar", members), "a blob of index.json: is not what its digest says")


@pytest.mark.parametrize("nested", [False, True])
def test_second_description_that_is_not_what_its_digest_says(tmp_path: Path, nested: bool) -> None:
    members = two_views(tmp_path, LAYERS, LAYERS)
    if nested:
        nest(members)
    name = f"blobs/sha256/{json.loads(members['index.json'])['manifests'][0]['digest'][7:]}"
    members[name] += b" "
    refuse(archive(tmp_path / "image.tar", members), "is not what its digest says")


def test_second_description_that_leads_nowhere(tmp_path: Path) -> None:
    members = images.docker_archive(LAYERS) | {"index.json": json.dumps({"manifests": [ABSENT]}).encode()}
    refuse(archive(tmp_path / "image.tar", members), "is missing from the archive")
    inner = json.dumps({"manifests": [ABSENT]}).encode()
    members[f"blobs/sha256/{images.sha256(inner)[7:]}"] = inner
    members["index.json"] = json.dumps({"manifests": [{"digest": images.sha256(inner)}]}).encode()
    refuse(archive(tmp_path / "image.tar", members), "leads to no image")


# The image that was identified is the image that is copied


def test_archive_that_was_exchanged_after_it_was_identified(tmp_path: Path) -> None:
    file = images.write_docker_archive(tmp_path / "image.tar", LAYERS)
    identify(str(file))
    images.write_docker_archive(file, [LOWER])
    refuse(file, "was changed while it was examined")
    assert look(file).digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_layout_that_was_exchanged_after_it_was_identified(tmp_path: Path) -> None:
    identified = images.write_layout(tmp_path / "layout", LAYERS)
    identify(str(tmp_path / "layout"))
    images.write_layout(tmp_path / "layout", [LOWER])
    # The blobs of the first image are still there, and are what is copied.
    copy = look(tmp_path / "layout")
    assert f"sha256:{copy.digest}" == identified
    assert len(copy.diff_ids) == 2


def test_archive_that_is_exchanged_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by another file nor by other bytes in the same one: layers come from the copy."""
    file = images.write_docker_archive(tmp_path / "image.tar", LAYERS)
    members = imagecopy._members

    def exchanging(opened: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
        file.write_bytes(b"\0" * file.stat().st_size)
        return members(opened)

    monkeypatch.setattr(imagecopy, "_members", exchanging)
    assert look(file).diff_ids == tuple(map(images.sha256, LAYERS))


@pytest.mark.parametrize("content", [b"text", b"\0" * 10240, b"PK\x03\x04" + b"\0" * 600, b"\x1f\x8b junk"])
def test_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    refuse(tmp_path / "image.tar", "is damaged or truncated|not an image")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_truncated_or_changed_archives_never_pass_unseen(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is done to the bytes: an error of ours, or exactly the layers that were saved."""
    whole = images.tar(images.docker_archive(LAYERS))
    content = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "image.tar").write_bytes(content)
    try:
        copy = look(tmp_path / "image.tar")
    except WardeinError:
        return
    assert copy.diff_ids == tuple(map(images.sha256, LAYERS))


def test_nothing_is_left_behind(layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    look(layout)
    blobs(layout)[3].write_bytes(b"")
    refuse(layout, "is not what its digest says")
    assert list(private.iterdir()) == []


# Package records, layer over layer

METADATA = images.python_package("a", "1", root="site")
FOLDER = "site/a-1.dist-info"
Member = bytes | tuple[bytes, str]


def layer(members: Mapping[str, Member] | Sequence[tuple[str, Member]]) -> bytes:
    """A layer of files, and of links as (type, target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items() if isinstance(members, Mapping) else members:
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


def second_name(target: str) -> Member:
    return tarfile.LNKTYPE, target


DIRECTORY: Member = (tarfile.DIRTYPE, "")


def noted(*layers: bytes) -> tuple[Record, ...]:
    with tempfile.TemporaryDirectory() as folder:
        images.write_layout(Path(folder), layers)
        return look(Path(folder)).records


def records(*layers: Mapping[str, Member]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in noted(*map(layer, layers)):
        found.setdefault(record.kind, set()).add(record.path)
    return found


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ([METADATA], True),
        ([METADATA, {"site/a-1.dist-info/.wh.METADATA": b""}], False),
        ([METADATA, {"site/.wh.a-1.dist-info": b""}], False),
        ([METADATA, {".wh.site": b""}], False),
        ([METADATA, {"site/.wh..wh..opq": b""}], False),
        ([METADATA, {".wh..wh..opq": b""}], False),
        ([METADATA, {"./site/.wh.a-1.dist-info": b""}], False),
        ([METADATA, {"site//.wh.a-1.dist-info": b""}], False),
        ([METADATA, {"/site/.wh.a-1.dist-info": b""}], False),
        ([METADATA, {"site/.wh.a-1.dist": b""}], True),
        ([METADATA, {"sit/.wh..wh..opq": b""}], True),
        ([METADATA, {"site/.wh..wh.aufs": b""}], True),
        ([METADATA, {".wh.site": b"", **METADATA}], True),
        ([{}, {**METADATA, "site/.wh..wh..opq": b""}], True),
        ([METADATA, {".wh.site": b""}, METADATA], True),
        # What is no folder takes a folder's place, and a folder joins a folder.
        ([METADATA, {"site": b""}], False),
        ([METADATA, {"site": link("/nowhere")}], False),
        ([METADATA, {"site": DIRECTORY, FOLDER: DIRECTORY}], True),
        ([METADATA, {f"{FOLDER}/METADATA": DIRECTORY}], False),
        ([{"usr/lib/python3/dist-packages/a.dist-info/METADATA": b""}], True),
        ([{"usr/lib/python3.12/site-packages/a.dist-info/METADATA": b""}], True),
        ([{"usr/lib64/python3.9/site-packages/a.dist-info/METADATA": b""}], True),
    ],
)
def test_whiteouts(layers: list[dict[str, Member]], left: bool) -> None:
    assert bool(records(*layers).get("python")) is left


def test_kinds_of_records() -> None:
    found = records(
        {
            "lib/apk/db/installed": b"",
            "var/lib/dpkg/status.d/base": b"",
            "opt/c/conda-meta/x.json": b"",
            "conda-meta": b"",
            "app/node_modules/a/package.json": b"",
            "node_modules/@scope/b/package.json": b"",
            "app/node_modules/a/dist/esm/package.json": b"",  # no package, but settings of a folder
            "app/package.json": b"",
        }
        | {"a.egg-info/PKG-INFO": b"", "METADATA": b"", "x.dist-info/RECORD": b"", "var/lib/rpm/rpmdb.sqlite": b""}
        | {
            "b.egg-info": b"",
            "c.EGG/EGG-INFO/PKG-INFO": b"",
            "d.egg": b"",
            "E.Dist-Info/METADATA": b"",
            "PKG-INFO": b"",
        }
        | {"w/f-1-py3-none-any.whl": b"", "etc/os-release": b"ID=debian"}
    )
    assert found == {
        "os": {"lib/apk/db/installed", "var/lib/dpkg/status.d/base", "var/lib/rpm/rpmdb.sqlite"},
        "conda": {"opt/c/conda-meta/x.json"},
        # Of x there is a part of a record and no METADATA, so that the folder itself is told.
        "python": {
            *("a.egg-info/PKG-INFO", "b.egg-info", "c.EGG/EGG-INFO/PKG-INFO", "d.egg", "E.Dist-Info/METADATA"),
            "x.dist-info",
        },
        "node": {"app/node_modules/a/package.json", "node_modules/@scope/b/package.json"},
        "wheel": {"w/f-1-py3-none-any.whl"},
    }


GOOD = b"Metadata-Version: 2.1\nName: Some_Name\nVersion: 1.0\n\nName: of the description\n"
SOME = Package("pypi", "Some_Name", "1.0")


def egg(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "content", "package", "problem"),
    [
        ("a.dist-info/METADATA", GOOD, SOME, ""),
        ("a.dist-info/METADATA", GOOD.replace(b"\n", b"\r\n"), SOME, ""),
        ("a.dist-info/METADATA", b"name: Some_Name\nVERSION:1.0\n", SOME, ""),
        ("a.dist-info/METADATA", GOOD + b"x" * (2 << 20), SOME, ""),
        ("a.egg", egg("EGG-INFO/PKG-INFO", GOOD), SOME, ""),
        ("node_modules/a/package.json", b'{"name": "a", "version": "1.0.0"}', Package("npm", "a", "1.0.0"), ""),
        ("x/torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl", b"", Package("pypi", "torch", "2.1.0+cpu"), ""),
        ("a.dist-info/METADATA", b"", None, "tells no name"),
        ("a.dist-info/METADATA", b"Metadata-Version 2.1\nNam a\n", None, "tells no name"),
        ("a.dist-info/METADATA", b"Name: a\n", None, "tells no name"),
        ("a.dist-info/METADATA", b"Name: a b\nVersion: 1\n", None, "tells no name"),
        ("a.dist-info/METADATA", b"Name: a\nVersion:\n", None, "tells no name"),
        ("a.dist-info/METADATA", b"Name: a\nName: b\nVersion: 1\n", None, "more than one"),
        ("a.dist-info/METADATA", b"Name: a\nVersion: 1\nversion: 2\n", None, "more than one"),
        ("a.dist-info/METADATA", b"\xff\xfe\0", None, "tells no name"),
        ("a.egg", b"PK\x03\x04", None, "cannot be opened"),
        ("a.egg", egg("EGG-INFO/other", GOOD), None, "cannot be opened"),
        ("node_modules/a/package.json", b'{"name": "a"}', None, "tells no name"),
        ("node_modules/a/package.json", b'{"name": 1, "version": "1"}', None, "tells no name"),
        ("node_modules/a/package.json", b"[" * 100_000, None, "tells no name"),
        ("x/setup.whl", b"", None, "not a wheel's"),
    ],
)
def test_what_a_record_tells(path: str, content: bytes, package: Package | None, problem: str) -> None:
    (record,) = noted(layer({path: content}))
    assert record.package == package
    assert problem in record.problem
    assert bool(problem) is bool(record.problem)


@pytest.mark.parametrize(
    "members",
    [
        {"opt/m/METADATA": GOOD, FOLDER: link("/opt/m")},
        {"opt/m/METADATA": GOOD, FOLDER: link("../opt/m")},
        {"opt/m/METADATA": GOOD, FOLDER: link("../../../../opt/./m/")},
        {"opt/m/METADATA": GOOD, f"{FOLDER}/METADATA": link("/opt/m/METADATA")},
        {"opt/m/METADATA": GOOD, "opt/n": link("m"), FOLDER: link("/opt/n")},
        {"opt/m/METADATA": GOOD, "opt/a-1.dist-info": link("m"), "site": link("opt")},
        {"opt/m/METADATA": GOOD, "opt/n/x": link("../m"), "a.dist-info": link("opt/n/x")},
        {"opt/EGG-INFO/PKG-INFO": GOOD, "site/a-1.egg": link("/opt")},
        {"opt/PKG-INFO": GOOD, "site/a-1.egg/EGG-INFO": link("/opt")},
        {"opt/PKG-INFO": GOOD, "site/a-1.egg-info": link("/opt/PKG-INFO")},
        {"METADATA": GOOD, FOLDER: link("/")},
        {"opt/m/METADATA": GOOD, f"{FOLDER}/METADATA": second_name("opt/m/METADATA")},
        {"opt/m/other": GOOD, f"{FOLDER}/METADATA": second_name("opt/m/other")},
        {"opt/m/other": GOOD, f"{FOLDER}/METADATA": second_name("./opt//m/other")},
        [(f"{FOLDER}/METADATA", second_name("z/other")), ("z/other", GOOD)],
    ],
)
def test_records_behind_links(members: Mapping[str, Member]) -> None:
    (record,) = noted(layer(members))
    assert (record.kind, record.package) == ("python", SOME)


def test_links_that_come_in_a_later_layer_and_go() -> None:
    lower, link_to = layer({"opt/m/METADATA": GOOD}), layer({FOLDER: link("/opt/m")})
    assert [record.package for record in noted(lower, link_to)] == [SOME]
    assert noted(lower, link_to, layer({f"site/.wh.{FOLDER[5:]}": b""})) == ()
    assert [r.problem for r in noted(lower, link_to, layer({"opt/.wh.m": b""}))] == [
        "is a link to nothing that can be read"
    ]


@pytest.mark.parametrize(
    "members",
    [
        {FOLDER: link("/nowhere")},
        {FOLDER: link(FOLDER.rpartition("/")[2])},
        {"a.dist-info": link("b.dist-info"), "b.dist-info": link("a.dist-info")},
        {"opt/other": GOOD, f"{FOLDER}/METADATA": link("/opt/other")},
        {f"{FOLDER}/METADATA": second_name("nowhere")},
        {f"{FOLDER}/METADATA": (tarfile.FIFOTYPE, "")},
        {"app/node_modules/a/package.json": link("/nowhere")},
        {f"{FOLDER}/RECORD": b""},
        {f"{FOLDER}/top_level.txt": b""},
    ],
)
def test_records_that_are_told_though_they_cannot_be_read(members: Mapping[str, Member]) -> None:
    found = noted(layer(members))
    assert found
    assert all(record.problem for record in found)


def test_links_that_multiply_without_end_are_an_error() -> None:
    members: dict[str, Member] = {"d/METADATA": GOOD}
    for number in range(60):
        members[f"d/l{number}"] = link(".")
    with pytest.raises(WardeinError, match="too many names"):
        noted(layer(members))


def test_packages_of_node_behind_links() -> None:
    content = b'{"name": "a", "version": "1.0.0"}'
    for members in (
        {"srv/x/package.json": content, "app/node_modules/a": link("/srv/x")},
        {"srv/x/package.json": content, "app/node_modules": link("/srv")},
        {"srv/x/package.json": content, "app/node_modules/@s/a": link("../../../srv/x")},
    ):
        assert [record.package for record in noted(layer(members))] == [Package("npm", "a", "1.0.0")]
    # A store that names files by their content, with second names where they are used.
    store = [("a/files/00ff", content), ("app/node_modules/a/package.json", second_name("a/files/00ff"))]
    assert [record.package for record in noted(layer(store))] == [Package("npm", "a", "1.0.0")]


def test_every_layer_tells_its_distribution(tmp_path: Path) -> None:
    images.write_layout(
        tmp_path / "layout", [LOWER, images.base_layer(debian="11"), layer({"usr/lib/os-release": b"#"})]
    )
    assert look(tmp_path / "layout").releases == {("debian", "12"), ("debian", "11"), ("", "")}


# Tars that two readers take for different files


def header(change: Callable[[bytearray], None], name: str = "a") -> bytes:
    """A tar of one member whose header is changed, with the right checksum."""
    content = bytearray(layer({name: b"content"}))
    change(content)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


def at(offset: int, value: bytes) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        content[offset : offset + len(value)] = value

    return change


def pax(headers: dict[str, str], *, for_all: bool = False, name: str = "a") -> bytes:
    out = io.BytesIO()
    shared = headers if for_all else {}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=shared) as archive:
        member = tarfile.TarInfo(name)
        member.pax_headers = {} if for_all else headers
        archive.addfile(member)
    return out.getvalue()


def before_end(content: bytes) -> bytes:
    """The members of a tar without what ends it."""
    return content.rstrip(b"\0").ljust(-(-len(content.rstrip(b"\0")) // 512) * 512, b"\0")


LONG_NAME = "long/" * 30 + "name"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (header(at(257, b"\0" * 8)), "of an old format"),
        (header(at(345, b"00000000000 ")), "of an old format"),
        (header(lambda c: (at(257, b"ustar\0" + b"00")(c), at(508, b"tar\0")(c))), "of an old format"),  # type: ignore[func-returns-value]
        (pax({"path": "b"}, for_all=True), "several ways"),
        (pax({"comment": "b"}, for_all=True), "several ways"),
        (pax({"path": ""}), "renamed"),
        (pax({"GNU.sparse.name": "b"}), "renamed"),
        (before_end(pax({"path": "b"}))[:1024] + layer({LONG_NAME: b""}), "several ways"),
        (layer({LONG_NAME: b""})[:1024] + layer({LONG_NAME + "2": b""}), "several ways"),
        (before_end(layer({"a": b"b"})) + b"?" * 512 + layer(METADATA), "more after its end"),
        (layer({"a": b"b"}) + layer(METADATA), "more after its end"),
        (layer({"a/../../b": b""}), "readers take for different files"),
        (layer({"site/.wh.": b""}), "deletes no file"),
        (layer({"site/.wh...": b""}), "deletes no file"),
    ],
)
def test_layers_that_are_read_in_different_ways(tmp_path: Path, content: bytes, says: str) -> None:
    images.write_layout(tmp_path / "layout", [content])
    refuse(tmp_path / "layout", says)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_layers_that_are_written_honestly(tmp_path: Path, form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in ("short", "long/" * 18 + "name", "übrig"):
            member = tarfile.TarInfo(name)
            member.mtime = 0 if form == tarfile.USTAR_FORMAT else 1.5
            archive.addfile(member)
        if form != tarfile.USTAR_FORMAT:
            archive.addfile(tarfile.TarInfo(LONG_NAME * 3))
    images.write_layout(tmp_path / "layout", [out.getvalue()])
    assert look(tmp_path / "layout").diff_ids == (images.sha256(out.getvalue()),)


def test_an_archive_with_more_after_its_end(tmp_path: Path) -> None:
    file = images.write_docker_archive(tmp_path / "image.tar", LAYERS)
    file.write_bytes(file.read_bytes() + images.tar({"manifest.json": b"[]"}))
    refuse(file, "more after its end")


def test_tags_of_an_archive(tmp_path: Path) -> None:
    assert look(images.write_docker_archive(tmp_path / "image.tar", LAYERS)).tags == ("example/app:1",)


def test_a_reference_without_a_registry_is_refused():
    with pytest.raises(WardeinError, match="names no registry"):
        open_reference(f"python@sha256:{'0' * 64}")


def test_a_layer_that_is_listed_many_times_is_copied_once(tmp_path, monkeypatch):
    """A small archive must not ask for a large copy; images with several equal, empty layers are honest."""
    stored = []
    store = imagecopy._Layout._store
    monkeypatch.setattr(imagecopy._Layout, "_store", lambda self, *rest: stored.append(rest[2]) or store(self, *rest))
    members = images.docker_archive([LOWER] * 5)
    manifest = json.loads(members["manifest.json"])
    manifest[0]["Layers"] = ["0/layer.tar"] * 5
    members["manifest.json"] = json.dumps(manifest).encode()
    file = archive(tmp_path / "image.tar", members)
    with verified_copy(str(file)) as copy:
        assert len(copy.diff_ids) == 5
    assert sorted(stored) == ["layer 0", "the configuration"]


# What a red team proved


def _linked(*members: tuple[str, bytes, str | bytes]) -> bytes:
    """A layer of files (content) and links (target)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, what in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            content = what if isinstance(what, bytes) else b""
            member.size, member.linkname = len(content), what if isinstance(what, str) else ""
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _look_at(folder: Path, *layers: bytes) -> VerifiedImage:
    images.write_layout(folder / "linked", list(layers))
    return look(folder / "linked")


@pytest.mark.parametrize(
    "layer",
    [
        _linked(("opt/s", tarfile.REGTYPE, b"x"), ("var/lib/dpkg/status", tarfile.SYMTYPE, "/opt/s")),
        _linked(("opt/s", tarfile.REGTYPE, b"x"), ("var/lib/dpkg/status", tarfile.LNKTYPE, "opt/s")),
        _linked(("opt/dpkg/status", tarfile.REGTYPE, b"x"), ("var/lib/dpkg", tarfile.SYMTYPE, "/opt/dpkg")),
    ],
)
def test_package_database_behind_a_link_is_a_problem(tmp_path: Path, layer: bytes) -> None:
    assert any(record.problem for record in _look_at(tmp_path, LOWER, layer).of_kind("os"))


def test_package_database_behind_a_link_to_where_it_is_looked_for_is_none(tmp_path: Path) -> None:
    layer = _linked(
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", tarfile.REGTYPE, b"x"),
        ("var/lib/rpm", tarfile.SYMTYPE, "../../usr/lib/sysimage/rpm"),
        ("lib", tarfile.SYMTYPE, "usr/lib"),
    )
    assert not any(record.problem for record in _look_at(tmp_path, layer).records)


@pytest.mark.parametrize("name", ["opt/a\nb/p-1.Dist-Info/METADATA", "opt/p-1.dist-info/PKG-INFO"])
def test_record_of_python_by_an_odd_name(tmp_path: Path, name: str) -> None:
    seen = _look_at(tmp_path, LOWER, _linked((name, tarfile.REGTYPE, b"Name: p\nVersion: 1\n"))).of_kind("python")
    assert [record.package for record in seen] == [Package("pypi", "p", "1")]


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([_linked(("l", tarfile.SYMTYPE, "a/" * 3000))], "more than a path can be"),
        ([_linked(("l", tarfile.SYMTYPE, "a/" * 400_000))], "a header of more than"),
        ([_linked(("a/" * 3000 + "b", tarfile.REGTYPE, b""))], "longer than a path"),
        ([LOWER, *[images.tar({})] * 500], "more than 500 layers"),
    ],
)
def test_what_would_take_for_ever_is_refused(tmp_path: Path, layers: list[bytes], says: str) -> None:
    images.write_layout(tmp_path / "large", layers)
    refuse(tmp_path / "large", says)


def test_credentials_in_a_reference_are_not_told() -> None:
    with pytest.raises(WardeinError, match="user or password") as caught:
        open_reference("bob:hunter2@h.example/x@sha256:" + "1" * 64)
    assert "hunter2" not in str(caught.value)
