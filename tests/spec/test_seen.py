"""A spec is not read again only where nothing of how it looks has changed, and where every edit would change that."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.spec.kept import Kept
from engine.spec.load import Written, read_spec
from engine.spec.seen import Seen
from engine.spec.states import AT_REST, is_telling, state_of
from engine.spec.warm import kept_catalog
from tests.support import specs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file tells there when it was last changed")

OTHER = "acme-other"
LATER = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two specs, one with a logo, that a process has read which began when they were at rest."""
    specs.catalog(tmp_path / "specs", specs.spec(), specs.spec(integration_id=OTHER))
    (tmp_path / "specs" / OTHER / "logo.svg").write_text("<svg/>")
    opened(tmp_path)
    assert unread(tmp_path) == {specs.ID, OTHER}
    return tmp_path


def kept(home: Path, began: float = LATER) -> Kept:
    return Kept(home / "cache", "this compiler", start=time.time() + began)


def opened(home: Path, began: float = LATER) -> dict[str, tuple[str, bytes | None]]:
    """Name and logo of each integration."""
    catalog = kept_catalog([home / "specs"], Registry, schemas_dir(), kept(home, began))
    return {name: (one.name, one.logo) for name, one in catalog.integrations.items()}


def unread(home: Path) -> set[str]:
    """The specs that the next start will not read."""
    seen = Seen(kept(home), [home / "specs"])
    return {path.parent.name for path in (home / "specs").glob("*/spec.yaml") if seen.recall(str(path)) is not None}


def spec_of(home: Path, integration_id: str = OTHER) -> Path:
    return home / "specs" / integration_id / "spec.yaml"


def rewritten(home: Path) -> None:
    """The same size, and the time of before."""
    path, times = spec_of(home), spec_of(home).stat()
    path.write_text(path.read_text().replace("Acme", "Acne"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced(home: Path) -> None:
    """By a copy with all that a copy can take over."""
    shutil.copy2(spec_of(home), home / "copy")
    (home / "copy").replace(spec_of(home))


def swapped(home: Path) -> None:
    shutil.copytree(home / "specs" / OTHER, home / "twin")
    (home / "specs" / OTHER).rename(home / "old")
    (home / "twin").rename(home / "specs" / OTHER)


def linked(home: Path) -> None:
    """The folder is elsewhere, and a link leads there."""
    shutil.copytree(home / "specs" / OTHER, home / "elsewhere")
    shutil.rmtree(home / "specs" / OTHER)
    (home / "specs" / OTHER).symlink_to(home / "elsewhere")


def logo_of(home: Path) -> Path:
    return home / "specs" / OTHER / "logo.svg"


def gone(path: Path) -> Path:
    path.unlink()
    return path


CHANGES: dict[str, Callable[[Path], object]] = {
    "an edit of the same size that keeps the time": rewritten,
    "a time that was set back": lambda home: os.utime(spec_of(home), (1, 1)),
    "a time to come": lambda home: os.utime(spec_of(home), (time.time() + 1e8, time.time() + 1e8)),
    "a file that takes its place": replaced,
    "a folder that takes its place": swapped,
    "a link that takes the folder's place": linked,
    "other rights": lambda home: spec_of(home).chmod(0o640),
    "half a file": lambda home: os.truncate(spec_of(home), 100),
    "an empty file": lambda home: spec_of(home).write_bytes(b""),
    "no file": lambda home: spec_of(home).unlink(),
    "a folder in its place": lambda home: gone(spec_of(home)).mkdir(),
    "a pipe in its place": lambda home: os.mkfifo(gone(spec_of(home))),
    "another logo": lambda home: logo_of(home).write_text("<svg>"),
    "no logo": lambda home: logo_of(home).unlink(),
    "a logo that leads nowhere": lambda home: gone(logo_of(home)).symlink_to(home / "none"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_looks_otherwise_is_read(home, change):
    change(home)
    assert unread(home) == {specs.ID}


def test_a_logo_where_there_was_none_is_read(home):
    (home / "specs" / specs.ID / "logo.svg").write_text("<svg/>")
    assert unread(home) == {OTHER}
    assert opened(home)[specs.ID][1] == b"<svg/>"


@pytest.mark.parametrize("change", [rewritten, replaced, swapped, linked], ids=lambda change: change.__name__)
def test_what_was_read_again_is_what_is_served_and_not_read_once_more(home, change):
    change(home)
    text = spec_of(home).read_text()
    for _ in range(2):
        assert opened(home)[OTHER][0] == ("Acne" if "Acne" in text else "Acme")
        assert unread(home) == {specs.ID, OTHER}


def test_a_link_to_another_folder_leads_to_another_spec(home):
    linked(home)
    opened(home)
    shutil.copytree(home / "elsewhere", home / "further")
    further = home / "further" / "spec.yaml"
    further.write_text(further.read_text().replace("Acme", "Acne"))
    (home / "specs" / OTHER).unlink()
    (home / "specs" / OTHER).symlink_to(home / "further")
    assert (unread(home), opened(home)[OTHER][0]) == ({specs.ID}, "Acne")


def test_a_file_that_was_just_written_is_read_at_the_next_start(home):
    """A second edit within the same tick of the clock would look like the first."""
    rewritten(home)
    opened(home, began=0)
    assert unread(home) == {specs.ID}
    opened(home)
    assert unread(home) == {specs.ID, OTHER}


def test_a_file_from_after_the_start_is_read_whatever_the_clock_says(home):
    """The clock was set back: the next edit may come at the very time of this one."""
    rewritten(home)
    opened(home, began=-3600)
    assert unread(home) == {specs.ID}


def test_an_edit_while_a_spec_is_read_is_seen_at_the_next_start(home):
    written = read_spec(spec_of(home))
    assert isinstance(written, Written)
    rewritten(home)
    assert written.states[0] != state_of(str(spec_of(home)))
    assert written.states[0][1] == len(written.text)


def test_the_specs_of_other_folders_are_seen_on_their_own(home):
    one = [home / "specs" / OTHER]
    kept_catalog(one, Registry, schemas_dir(), kept(home))
    assert Seen(kept(home), one).recall(str(spec_of(home))) is not None
    assert unread(home) == {specs.ID, OTHER}


def test_a_folder_whose_name_is_not_text_is_read_at_every_start(home):
    odd = Path(os.fsdecode(os.fsencode(home) + b"/caf\xe9"))
    try:
        (home / "specs").rename(odd)
    except OSError:
        pytest.skip("names of files are text here")
    for _ in range(2):
        assert set(kept_catalog([odd], Registry, schemas_dir(), kept(home)).integrations) == {specs.ID, OTHER}
    (odd / OTHER).rename(odd / os.fsdecode(b"caf\xe9"))
    with pytest.raises(SpecError, match="the folder must have the integration's id"):
        kept_catalog([odd], Registry, schemas_dir(), kept(home))


def test_what_is_gone_is_forgotten(home):
    moved = home / "moved"
    (home / "specs" / OTHER).rename(moved)
    assert set(opened(home)) == {specs.ID}
    moved.rename(home / "specs" / OTHER)
    assert unread(home) == {specs.ID}
    assert set(opened(home)) == {specs.ID, OTHER}


SECOND = 1_000_000_000
START = 1_900_000_000.0


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_only_a_fine_time_that_was_at_rest_at_the_start_is_telling(changed):
    is_fine, is_at_rest = changed % SECOND != 0, changed < (START - AT_REST) * SECOND
    assert is_telling([1, 1, 0, changed], START) == (is_fine and is_at_rest)


@pytest.mark.parametrize(
    ("changed", "tells"),
    [
        ((START - 11) * SECOND + 512, True),
        ((START - 9) * SECOND + 512, False),
        ((START - 11) * SECOND, False),  # FAT, an image with all its times the same
        ((START + 11) * SECOND + 512, False),
    ],
)
def test_times_that_tell(changed, tells):
    assert is_telling([1, 1, 0, int(changed)], START) is tells


STEPS: dict[str, Callable[[Path], object]] = {
    "edit": rewritten,
    "undo": lambda home: spec_of(home).write_text(spec_of(home).read_text().replace("Acne", "Acme")),
    "replace": replaced,
    "touch": lambda home: os.utime(spec_of(home), (1, 1)),
    "logo": lambda home: logo_of(home).write_text(str(len(list(home.iterdir())))),
    "no logo": lambda home: logo_of(home).unlink(missing_ok=True),
    "forget": lambda home: shutil.rmtree(home / "cache"),
}


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=6), began=st.sampled_from([0.0, LATER]))
def test_whatever_was_done_what_is_served_is_what_stands_there(tmp_path_factory, steps, began):
    home = tmp_path_factory.mktemp("home")
    specs.catalog(home / "specs", specs.spec(integration_id=OTHER))
    for step in steps:
        STEPS[step](home) if step != "forget" or (home / "cache").exists() else None
        name = "Acne" if "Acne" in spec_of(home).read_text() else "Acme"
        assert opened(home, began) == {OTHER: (name, logo_of(home).read_bytes() if logo_of(home).exists() else None)}
