import errno
from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.writing import whole_file


def test_a_file_appears_when_its_writer_is_done(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.txt"
    with whole_file(target) as part:
        part.write_text("all of it")
        assert part.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError("ours"), KeyboardInterrupt()])
def test_a_failed_writer_leaves_the_old_file_and_no_part(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write() -> None:
        with whole_file(target) as part:
            part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "no permission")])
def test_a_full_disk_and_a_closed_folder_get_one_line(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught, whole_file(tmp_path / "file.txt"):
        raise OSError(code, "as the system says it")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_a_file_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="in the way"), whole_file(tmp_path / "taken" / "file.txt"):
        pass
