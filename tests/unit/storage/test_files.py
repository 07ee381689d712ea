"""Changes to files are sound where a reply is lost, a call is missing, or a link waits."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shardmill.contract.errors import DatasetDamaged, EnvironmentFault
from shardmill.storage import files

LOST = {
    "link": errno.EEXIST,
    "rename": errno.ENOENT,
    "replace": errno.ENOENT,
    "mkdir": errno.EEXIST,
    "unlink": errno.ENOENT,
}
"""What an NFS client reports that repeated a call whose reply was lost."""


@pytest.fixture
def lose(monkeypatch) -> Callable[[str], None]:
    """Have every call of a name done, and report what its repetition says."""

    def lose(name: str) -> None:
        call = getattr(os, name)

        def done_but_lost(*arguments: object, **more: object) -> None:
            call(*arguments, **more)
            raise OSError(LOST[name], os.strerror(LOST[name]), *arguments[:1])

        monkeypatch.setattr(os, name, done_but_lost)

    return lose


def refuse(monkeypatch, name: str, number: int) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, refused)


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    path = tmp_path / "waiting"
    path.write_bytes(b"mine")
    return path


def test_the_first_file_gets_the_name_and_no_other(tmp_path, waiting):
    name, later = tmp_path / "name", tmp_path / "later"
    later.write_bytes(b"theirs")

    assert files.publish(str(waiting), str(name))
    assert not files.publish(str(later), str(name))
    assert name.read_bytes() == b"mine"


def test_a_link_whose_reply_was_lost_is_known_as_done(tmp_path, waiting, lose):
    lose("link")

    assert files.publish(str(waiting), str(tmp_path / "name"))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOENT])
def test_a_link_that_was_made_though_an_error_was_reported_is_known(
    tmp_path, waiting, monkeypatch, *, number
):
    link = os.link

    def done_but_failed(source: str, target: str) -> None:
        link(source, target)
        raise OSError(number, os.strerror(number), target)

    monkeypatch.setattr(os, "link", done_but_failed)

    assert files.publish(str(waiting), str(tmp_path / "name"))


def test_a_name_that_another_has_is_not_taken_for_a_lost_reply(tmp_path, waiting, lose):
    (tmp_path / "name").write_bytes(b"mine")  # the same bytes, another file
    lose("link")

    assert not files.publish(str(waiting), str(tmp_path / "name"))


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_without_hard_links_an_exclusive_rename_decides(tmp_path, waiting, monkeypatch, *, number):
    refuse(monkeypatch, "link", number)
    later = tmp_path / "later"
    later.write_bytes(b"theirs")

    assert files.publish(str(waiting), str(tmp_path / "name"))
    assert not files.publish(str(later), str(tmp_path / "name"))
    assert (tmp_path / "name").read_bytes() == b"mine"


def test_an_exclusive_rename_whose_reply_was_lost_is_known_as_done(tmp_path, waiting, monkeypatch):
    refuse(monkeypatch, "link", errno.EPERM)
    rename = files._rename_to_new

    def lost(source: str, target: str) -> None:
        rename(source, target)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", source)

    monkeypatch.setattr(files, "_rename_to_new", lost)

    assert files.publish(str(waiting), str(tmp_path / "name"))


def test_what_is_gone_before_it_is_published_is_an_error(tmp_path, waiting):
    with pytest.raises(FileNotFoundError):
        files.publish(str(tmp_path / "nothing"), str(tmp_path / "name"))
    with pytest.raises(FileNotFoundError):
        files.publish(str(waiting), str(tmp_path / "nowhere" / "name"))


def test_lost_replies_of_the_other_calls_change_nothing(tmp_path, waiting, lose):
    for name in ("replace", "mkdir", "unlink"):
        lose(name)

    files.replace(str(waiting), str(tmp_path / "name"))
    files.make_directory(str(tmp_path / "folder"))
    files.remove(str(tmp_path / "name"))
    files.write_json(str(tmp_path / "a.json"), [1])

    assert sorted(os.listdir(tmp_path)) == ["a.json", "folder"]
    assert json.loads((tmp_path / "a.json").read_bytes()) == [1]


def test_a_rename_that_was_not_done_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace(str(tmp_path / "nothing"), str(tmp_path / "name"))


def test_nothing_is_written_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"unharmed")
    for name in ("new", "a.json"):
        (tmp_path / name).symlink_to(victim)

    files.write(str(tmp_path / "new"), b"data")
    files.write_json(str(tmp_path / "a.json"), {})

    assert victim.read_bytes() == b"unharmed"
    assert (tmp_path / "new").read_bytes() == b"data"
    assert not (tmp_path / "a.json").is_symlink()


def test_nothing_but_a_file_or_a_link_makes_room_for_a_new_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(FileExistsError):
        files.create(str(tmp_path / "pipe"))
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_is_no_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shards").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        files.make_directory(str(tmp_path / "shards"))


def test_only_plain_files_are_opened(tmp_path, waiting):
    (tmp_path / "link").symlink_to(waiting)
    os.mkfifo(tmp_path / "pipe")

    for name, wrong in (("link", "symbolic link"), ("pipe", "plain file"), (".", "plain file")):
        with pytest.raises(DatasetDamaged, match=wrong):
            files.open_to_read(str(tmp_path / name))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_folder_that_cannot_be_flushed_is_no_error(tmp_path, monkeypatch, *, number):
    refuse(monkeypatch, "fsync", number)

    files.sync_directory(str(tmp_path))


def test_a_folder_that_fails_to_be_flushed_is_an_error(tmp_path, monkeypatch):
    refuse(monkeypatch, "fsync", errno.EIO)

    with pytest.raises(OSError, match="Input/output"):
        files.sync_directory(str(tmp_path))


def test_folders_are_made_with_those_above_and_named(tmp_path):
    inner = tmp_path / "a" / "b"

    assert files.make_directories(str(inner)) == [str(inner), str(tmp_path / "a")]
    assert files.make_directories(str(inner)) == []


def test_a_file_system_is_tried_and_left_as_it_was(tmp_path):
    files.check_file_system(str(tmp_path))

    assert os.listdir(tmp_path) == []


def test_a_file_system_without_exclusive_names_is_refused_with_the_reason(tmp_path, monkeypatch):
    refuse(monkeypatch, "link", errno.EPERM)
    monkeypatch.setattr(files, "_rename_to_new", lambda *_: refuse_rename())

    def refuse_rename() -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with pytest.raises(EnvironmentFault, match="expected a file system with hard links"):
        files.check_file_system(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_file_system_that_gives_one_name_twice_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "publish", lambda *_: True)

    with pytest.raises(EnvironmentFault, match="keeps two files from taking one name"):
        files.check_file_system(str(tmp_path))
