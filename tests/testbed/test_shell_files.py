"""What every shell does with files, on this machine and over a real sshd: whole or not there at all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from testbed.errors import DigestError, RemoteError
from testbed.local_files import LocalFiles
from testbed.sftp_files import SftpFiles
from testbed.shell import Shell

CONTENTS = {
    "empty": b"",
    "one": b"\0",
    "binary": bytes(range(256)) * 1000,
    "large": random.Random(23).randbytes(20_000_003),
}
DIRECTIONS = pytest.mark.parametrize("direction", ["put", "get"])
_REAL_WRITES = {kind: kind.write for kind in (LocalFiles, SftpFiles)}


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From which byte on each file was written."""
    found: list[int] = []
    for kind, real in _REAL_WRITES.items():

        def write(self: object, path: str, start: int, blocks: Iterable[bytes], real: object = real) -> None:
            found.append(start)
            real(self, path, start, blocks)

        monkeypatch.setattr(kind, "write", write)
    return found


def travel(shell: Shell, direction: str, source: Path, target: Path) -> None:
    """Both are on this machine, which is also the host."""
    if direction == "put":
        shell.put(source, str(target))
    else:
        shell.get(str(source), target)


@DIRECTIONS
@pytest.mark.parametrize("kind", CONTENTS)
def test_files_travel_whole(shell: Shell, tmp_path: Path, direction: str, kind: str) -> None:
    source, target = tmp_path / "from here 'x' $(y)", tmp_path / "to\nthere ü"
    source.write_bytes(CONTENTS[kind])
    target.write_bytes(b"older and longer" * 100)
    travel(shell, direction, source, target)
    assert target.read_bytes() == CONTENTS[kind]
    assert sorted(tmp_path.iterdir()) == sorted([source, target])


@DIRECTIONS
@pytest.mark.parametrize("size", [600_000, 5])
def test_a_copy_that_was_cut_off_is_continued(
    shell: Shell, tmp_path: Path, starts: list[int], direction: str, size: int
) -> None:
    content = CONTENTS["large"][:size]
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b.part").write_bytes(content[: size // 2])
    travel(shell, direction, tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    assert starts == [size // 2]
    assert not (tmp_path / "b.part").exists()


@DIRECTIONS
@pytest.mark.parametrize("part", [b"\0" * 300_000, CONTENTS["large"][:600_001], b""])
def test_a_partial_file_of_other_content_is_not_built_on(
    shell: Shell, tmp_path: Path, starts: list[int], direction: str, part: bytes
) -> None:
    content = CONTENTS["large"][:600_000]
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b.part").write_bytes(part)
    travel(shell, direction, tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    assert starts == [0]


@DIRECTIONS
def test_a_copy_that_was_complete_but_for_its_name_is_not_sent_again(
    shell: Shell, tmp_path: Path, starts: list[int], direction: str
) -> None:
    (tmp_path / "a").write_bytes(CONTENTS["binary"])
    (tmp_path / "b.part").write_bytes(CONTENTS["binary"])
    travel(shell, direction, tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENTS["binary"]
    assert starts == [len(CONTENTS["binary"])]


@DIRECTIONS
@pytest.mark.parametrize("size", [600_000, 5])
def test_content_that_changes_on_the_way_is_noticed(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str, size: int
) -> None:
    def damaged(blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield block[:-1] + bytes([block[-1] ^ 1])

    for kind, real in _REAL_WRITES.items():

        def write(self: object, path: str, start: int, blocks: Iterable[bytes], real: object = real) -> None:
            real(self, path, start, damaged(blocks))

        monkeypatch.setattr(kind, "write", write)
    (tmp_path / "a").write_bytes(CONTENTS["large"][:size])
    with pytest.raises(DigestError, match=r"^host: .*/[ab]: the \d+ bytes that arrived have the SHA-256"):
        travel(shell, direction, tmp_path / "a", tmp_path / "b")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_file_that_grows_is_copied_as_it_was(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(CONTENTS["binary"])
    real = LocalFiles.write

    def write(self: LocalFiles, path: str, start: int, blocks: Iterable[bytes]) -> None:
        with (tmp_path / "a").open("ab") as growing:
            growing.write(b"more")
        real(self, path, start, blocks)

    monkeypatch.setattr(LocalFiles, "write", write)
    shell.get(str(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENTS["binary"]


def test_missing_files_and_folders_are_named(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"^host: /absent/file: No such file"):
        shell.get("/absent/file", tmp_path / "b")
    with pytest.raises(RemoteError, match=rf"^host: {tmp_path}/absent: No such file"):
        shell.put(tmp_path / "absent", str(tmp_path / "b"))
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(RemoteError, match=r"^host: /absent/b(\.part)?: No such file"):
        shell.put(tmp_path / "a", "/absent/b")
    with pytest.raises(RemoteError, match=rf"^host: {tmp_path}/absent/b(\.part)?: No such file"):
        shell.get(str(tmp_path / "a"), tmp_path / "absent" / "b")
    with pytest.raises(RemoteError, match=r"^host: /absent: No such file"):
        shell.listdir("/absent")
    with pytest.raises(RemoteError, match=r"^host: /absent/b: No such file"):
        shell.write_text("/absent/b", "text")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_the_end_of_a_file_that_is_written_can_be_read(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert shell.read_bytes(str(path)) == b""
    shell.write_text(str(path), "größer\n" * 100_000)
    assert shell.read_text(str(path)) == "größer\n" * 100_000
    assert shell.read_bytes(str(path), offset=path.stat().st_size - 3) == b"er\n"
    assert shell.read_bytes(str(path), offset=path.stat().st_size + 5) == b""
    shell.write_text(str(path), "")
    assert path.read_bytes() == b""


def test_folders_are_listed_and_put_with_what_is_below(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "app"
    (source / "inner" / "__pycache__").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "a.py").write_text("a")
    (source / "inner" / "b 'c'.py").write_text("b")
    (source / "inner" / "__pycache__" / "b.pyc").write_text("compiled")
    target = tmp_path / "there" / "app"
    for _ in range(2):
        shell.put_folder(source, str(target))
        found = {str(one.relative_to(target)) for one in target.rglob("*")}
        assert found == {"a.py", "empty", "inner", "inner/b 'c'.py"}
    (target / "link").symlink_to("inner")
    listed = [(file.name, file.is_folder) for file in shell.listdir(str(target))]
    assert listed == [("a.py", False), ("empty", True), ("inner", True), ("link", False)]
    assert shell.listdir(str(target))[0].size_bytes == 1
