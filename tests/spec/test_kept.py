"""What is kept is believed for exactly the content it was found out about, and for nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bootstrap import open_kept
from engine.cases.read import read_folder
from engine.catalog import Catalog
from engine.errors import SpecError
from engine.locations import plugins_dir, schemas_dir, specs_dir
from engine.plugins import Registry, load_plugins
from engine.settings import Settings
from engine.spec.kept import Kept, compiler, packed, unpacked
from engine.spec.load import load_catalog
from engine.spec.on_demand import OnDemand
from engine.spec.warm import kept_catalog
from tests.support import specs

OTHER = "acme-other"
KEY = "0" * 64
BEGAN = "began"


@pytest.fixture(params=[0, 60], ids=["files are read again", "files are looked at"])
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two specs that were compiled once. Processes begin so many seconds from now: files of before are at rest then."""
    (tmp_path / BEGAN).write_text(str(request.param))
    specs.catalog(tmp_path / "specs", specs.spec(), specs.spec(integration_id=OTHER))
    (tmp_path / "specs" / OTHER / "logo.svg").write_text("<svg/>")
    assert known(tmp_path) == set()
    assert known(tmp_path) == {specs.ID, OTHER}
    return tmp_path


def opened(home: Path, maker: str | None = "this compiler") -> Catalog:
    return kept_catalog([home / "specs"], Registry, schemas_dir(), kept_by(home, maker))


def kept_by(home: Path, maker: str | None = "this compiler") -> Kept:
    return Kept(home / "cache", maker, start=time.time() + int((home / BEGAN).read_text()))


def known(home: Path, maker: str | None = "this compiler") -> set[str]:
    """The integrations that were not compiled at the start."""
    return {name for name, one in opened(home, maker).integrations.items() if isinstance(one.actions, OnDemand)}


def spec_of(home: Path, integration_id: str = specs.ID) -> Path:
    return home / "specs" / integration_id / "spec.yaml"


def put(path: Path, text: str) -> None:
    """As a tool does that keeps the time of the file."""
    times = path.stat()
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def kept_files(home: Path) -> list[Path]:
    return sorted((home / "cache").iterdir())


def damage(home: Path, how) -> None:
    for file in kept_files(home):
        how(file)


def test_what_was_compiled_once_is_compiled_when_it_is_used(home):
    catalog = opened(home)
    assert repr(catalog.integrations) == "0 of 2 are made"
    one = catalog.integrations[specs.ID]
    assert (repr(catalog.integrations), repr(one.actions)) == ("1 of 2 are made", "0 of 1 are made")
    assert one.actions["quote"] is one.actions["quote"]
    assert repr(one.actions) == "1 of 1 are made"


def test_a_catalog_that_was_kept_is_that_of_a_full_compile(tmp_path):
    registry, kept = load_plugins(plugins_dir()), Kept(tmp_path, "this compiler")
    full = load_catalog([specs_dir()], registry, schemas_dir()).integrations
    kept_catalog([specs_dir()], lambda: registry, schemas_dir(), kept)
    for name, one in kept_catalog([specs_dir()], lambda: registry, schemas_dir(), kept).integrations.items():
        for field in ("name", "version", "logo", "config_schema", "auth_methods", "hosts", "limits", "tells_address"):
            assert repr(getattr(one, field)) == repr(getattr(full[name], field)), (name, field)
        assert list(one.actions) == list(full[name].actions)
        for action_id, action in one.actions.items():
            whole = full[name].actions[action_id]
            assert (action.input_schema.raw, action.output_schema.raw) == (
                whole.input_schema.raw,
                whole.output_schema.raw,
            )
            assert (action.effect, len(action.steps)) == (whole.effect, len(whole.steps))


def test_only_what_changed_is_compiled_again(home):
    put(spec_of(home), spec_of(home).read_text() + "\n")
    assert known(home) == {OTHER}
    assert known(home) == {specs.ID, OTHER}


def test_an_edit_of_the_same_size_and_time_counts(home):
    before = spec_of(home).read_text()
    put(spec_of(home), before.replace("Acme", "Acne"))
    assert (known(home), opened(home).integrations[specs.ID].name.count("Acne")) == ({OTHER}, 1)
    put(spec_of(home), before)
    assert known(home) == {specs.ID, OTHER}  # this very content compiled before


def test_a_clock_that_was_set_back_changes_nothing(home):
    put(spec_of(home), spec_of(home).read_text() + "\n")
    os.utime(spec_of(home), (0, 0))
    assert known(home) == {OTHER}
    damage(home, lambda file: os.utime(file, (time.time() + 1e8, time.time() + 1e8)))
    assert known(home) == {specs.ID, OTHER}


def test_a_spec_that_is_gone_is_gone_and_a_new_one_is_there(home):
    shutil.rmtree(home / "specs" / OTHER)
    specs.catalog(home / "specs", specs.spec(integration_id="acme-third"))
    assert (set(opened(home).integrations), known(home)) == ({specs.ID, "acme-third"}, {specs.ID, "acme-third"})


def test_a_spec_under_another_name_is_another_spec(home):
    (home / "specs" / OTHER).rename(home / "specs" / "acme-moved")
    with pytest.raises(SpecError, match="SPEC079"):
        opened(home)


def test_the_logo_counts(home):
    put(home / "specs" / OTHER / "logo.svg", "<svg />")
    assert known(home) == {specs.ID}
    assert opened(home).integrations[OTHER].logo == b"<svg />"


def test_another_version_of_the_compiler_finds_out_anew(home):
    assert known(home, "another compiler") == set()
    assert known(home) == known(home, "another compiler") == {specs.ID, OTHER}


def test_what_is_worked_on_is_neither_kept_nor_recalled(home):
    assert known(home, None) == set()


def test_errors_are_told_at_every_start_and_not_kept(home):
    path = spec_of(home)
    path.write_text(json.dumps({**json.loads(path.read_text()), "naem": "x"}))
    for _ in range(2):
        with pytest.raises(SpecError, match="naem"):
            opened(home)
    assert len(kept_files(home)) == 3  # the two that were right, and what they looked like


def test_two_folders_with_one_id_are_told_also_when_both_are_known(home):
    twin = home / "twin"
    shutil.copytree(home / "specs" / OTHER, twin / OTHER)
    for _ in range(2):
        with pytest.raises(SpecError, match="SPEC078"):
            kept_catalog([home / "specs", twin], Registry, schemas_dir(), kept_by(home))


def pipe_in_place_of(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


DAMAGES = {
    "it is empty": lambda file: file.write_bytes(b""),
    "it is half written": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "its last byte is missing": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "a byte is too many": lambda file: file.write_bytes(file.read_bytes() + b" "),
    "it is foreign": lambda file: file.write_bytes(b"#!/bin/sh\n"),
    "it is gone": lambda file: file.unlink(),
    "others may write it": lambda file: file.chmod(0o666),
    "it is a link": lambda file: file.rename(file.with_suffix(".x")) and file.symlink_to(file.with_suffix(".x")),
    "it is a pipe": pipe_in_place_of,
}


@pytest.mark.parametrize("how", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_file_counts_as_none_and_is_written_anew(home, how):
    damage(home, how)
    assert known(home) == set()
    assert known(home) == {specs.ID, OTHER}


def test_a_folder_in_the_place_of_a_file_is_passed_over(home):
    damage(home, lambda file: (file.unlink(), file.mkdir()))
    assert (known(home), known(home)) == (set(), set())


def test_a_file_under_another_name_is_not_believed(home):
    names, contents = kept_files(home), [file.read_bytes() for file in kept_files(home)]
    for name, content in zip(names, [*contents[1:], contents[0]], strict=True):
        name.write_bytes(content)
    assert known(home) == set()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_of_another_user_is_not_believed(home):
    damage(home, lambda file: os.chown(file, 65534, 65534))
    assert known(home) == set()


def test_files_and_folder_are_for_their_owner_only(home):
    assert (home / "cache").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in kept_files(home)} == {0o600}


@pytest.mark.parametrize("place", ["cache/below/another", "specs/acme-other/logo.svg", "link"])
def test_where_nothing_can_be_kept_all_is_compiled_as_ever(home, place):
    (home / "link").symlink_to(home / "cache")
    (home / "cache" / "x").touch()
    for _ in range(2):
        kept = Kept(home / place, "another compiler", start=time.time() + 60)
        found = kept_catalog([home / "specs"], Registry, schemas_dir(), kept).integrations
        assert not any(isinstance(one.actions, OnDemand) for one in found.values())


def test_the_folder_around_is_made_only_where_it_is_asked_for_and_for_its_owner(tmp_path):
    folder, room = tmp_path / "data" / "cache", tmp_path / "data"
    Kept(folder, "this compiler").keep(KEY, b"content")
    assert not room.exists()
    Kept(folder, "this compiler", room).keep(KEY, b"content")
    assert (Kept(folder, "this compiler").recall(KEY), room.stat().st_mode & 0o777) == (b"content", 0o700)


def test_a_spec_that_is_edited_between_start_and_use_is_the_one_of_the_start(home):
    catalog = opened(home)
    spec_of(home).write_text("half a fi")
    one = catalog.integrations[specs.ID]
    assert (list(one.actions), one.actions["quote"].action_id) == (["quote"], "quote")
    with pytest.raises(SpecError):
        opened(home)


def test_the_logo_of_a_spec_is_the_one_of_the_start(home):
    catalog = opened(home)
    (home / "specs" / OTHER / "logo.svg").write_text("<svg>another</svg>")
    assert catalog.integrations[OTHER].logo == b"<svg/>"
    assert opened(home).integrations[OTHER].logo == b"<svg>another</svg>"


def test_what_vanishes_between_start_and_use_is_made_up_for_by_the_file_and_kept_again(home):
    catalog = opened(home)
    damage(home, lambda file: file.unlink())
    assert list(catalog.integrations[OTHER].actions) == ["quote"]
    assert (catalog.integrations[OTHER].logo, len(kept_files(home))) == (b"<svg/>", 1)
    assert known(home) == {OTHER}


def test_what_vanishes_together_with_an_edit_is_told_and_neither_half_nor_another_spec(home):
    catalog = opened(home)
    damage(home, lambda file: file.unlink())
    before = spec_of(home).read_text()
    put(spec_of(home), before.replace("Acme", "Acne"))
    with pytest.raises(SpecError, match=r"changed after this process began.*start the process again"):
        catalog.integrations[specs.ID]
    spec_of(home).unlink()
    with pytest.raises(SpecError, match="FileNotFoundError"):
        catalog.integrations[specs.ID]
    spec_of(home).write_text(before)
    assert catalog.integrations[specs.ID].name.count("Acme") == 1


def test_what_nobody_has_used_for_a_month_goes(home):
    draft = home / "cache" / ".draft-of-a-killed-process"
    draft.touch()
    catalog = opened(home)
    damage(home, lambda file: os.utime(file, (1, 1)))
    assert catalog.integrations[OTHER].logo == b"<svg/>"  # a use
    put(spec_of(home), spec_of(home).read_text() + "\n")
    assert len(kept_files(home)) == 4
    assert (known(home), draft.exists()) == ({OTHER}, False)
    assert known(home) == {specs.ID, OTHER}


@given(data=st.data())
def test_a_flipped_bit_is_never_believed(tmp_path_factory, data):
    kept = Kept(tmp_path_factory.mktemp("kept") / "cache", "this compiler")
    content = data.draw(st.binary(max_size=64))
    kept.keep(KEY, content)
    file = next((kept._folder).iterdir())
    written = bytearray(file.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(written) - 1))
    assert kept.recall(KEY) == content
    written[bit // 8] ^= 1 << bit % 8
    file.write_bytes(written)
    assert kept.recall(KEY) is None


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=None, places=None),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_data_comes_back_exactly_or_is_not_kept(value):
    written = packed(value)
    assert written is None or repr(unpacked(written)) == repr(value)


def test_a_fraction_keeps_its_digits():
    value = {"a": [Decimal("1.10"), Decimal("2.0"), 2, True, None, "ngõ 5"]}
    assert repr(unpacked(packed(value) or b"")) == repr(value)


WRITER = """
import sys
from pathlib import Path
from engine.spec.kept import Kept
kept = Kept(Path(sys.argv[1]), "this compiler")
print(flush=True)
for number in range(int(sys.argv[2])):
    kept.keep(f"{number % 3:064}", bytes([number % 3]) * 1_000_000)
"""


def writer(folder: Path, rounds: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(rounds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def whole(folder: Path) -> bool:
    found = [Kept(folder, "this compiler").recall(f"{number:064}") for number in range(3)]
    return all(one in (None, bytes([number]) * 1_000_000) for number, one in enumerate(found))


def test_two_processes_that_write_at_once_leave_whole_files(tmp_path):
    both = [writer(tmp_path, 30) for _ in range(2)]
    while any(one.poll() is None for one in both):
        assert whole(tmp_path)
    assert [one.wait(30) for one in both] == [0, 0]
    for one in both:
        one.communicate()
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{number:064}" for number in range(3)]


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_half(tmp_path):
    for number in range(5):
        process = writer(tmp_path, 100_000)
        time.sleep(0.01 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert whole(tmp_path)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Schemas and plugins of a checkout that nobody works on."""
    shutil.copytree(schemas_dir(), tmp_path / "schemas")
    shutil.copytree(plugins_dir(), tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def compiler_of(sources: Path, began: float = 60) -> str | None:
    """As a process finds it that begins so many seconds from now."""
    return compiler(sources / "schemas", sources / "plugins", time.time() + began)


SOURCES = ["schemas/integration.schema.json", "schemas/models/*.json", "plugins/[!_]*.py"]


@pytest.mark.parametrize("pattern", SOURCES)
def test_a_source_of_what_is_found_out_makes_another_compiler(sources, pattern):
    before, path = compiler_of(sources), next(sources.glob(pattern))
    assert before == compiler_of(sources)
    put(path, path.read_text() + "\n")
    after = compiler_of(sources)
    path.rename(path.with_stem("renamed"))
    assert len({before, after, compiler_of(sources), None}) == 4


def test_a_source_that_was_just_changed_may_not_be_what_runs(sources, caplog):
    assert (compiler_of(sources, 0), compiler_of(sources, 9), caplog.text) == (None, None, "")


def test_a_time_to_come_that_a_source_was_given_says_nothing(sources):
    path = next(sources.glob("plugins/[!_]*.py"))
    os.utime(path, (time.time() + 1e8, time.time() + 1e8))
    assert compiler_of(sources) is not None


def test_sources_from_after_the_start_are_told_of(sources, caplog):
    assert compiler_of(sources, -1e8) is None
    assert "Was the clock set back?" in caplog.text


CASE = """
- case: a quote
  source: https://docs.acme.example/quote
  action: quote
  given: {input: {}, credentials: {apiKey: fake-key-0000}}
  exchanges:
    - expect: {method: GET, url: https://api.acme.example/quote}
      answer: {status: 200, json: {fee: 1.5}}
  result: {got: {fee: 1.5}}
"""


def test_cases_that_were_kept_are_those_of_their_file(tmp_path):
    folder, kept = tmp_path / specs.ID, Kept(tmp_path / "cache", "this compiler")
    (folder / "cases").mkdir(parents=True)
    file = folder / "cases" / "quote.yaml"
    file.write_text(CASE)
    first = read_folder(folder, kept)
    assert (len(first[0]), first[1], len(kept_files(tmp_path))) == (1, [], 1)
    assert repr(read_folder(folder, kept)) == repr(first) == repr(read_folder(folder))
    assert read_folder(folder, kept)[0][0].position == first[0][0].position
    file.write_text(CASE.replace("quote\n", "price\n", 1))
    assert [case.name for case in read_folder(folder, kept)[0]] == ["a price"]
    file.write_text(CASE.replace("status", "sattus"))
    for _ in range(2):
        cases, wrong = read_folder(folder, kept)
        assert (cases, [one.position.line for one in wrong]) == ([], [8])
    assert len(kept_files(tmp_path)) == 2


def test_what_is_sealed_with_a_secret_is_believed_by_those_who_have_it_only(tmp_path: Path) -> None:
    Kept(tmp_path, "this compiler", secret=b"a key that lies elsewhere").keep(KEY, b"content")
    assert Kept(tmp_path, "this compiler", secret=b"a key that lies elsewhere").recall(KEY) == b"content"
    assert Kept(tmp_path, "this compiler").recall(KEY) is None
    planted = Kept(tmp_path, "this compiler")
    planted.keep(KEY, b"planted")
    assert planted.recall(KEY) == b"planted"
    assert Kept(tmp_path, "this compiler", secret=b"a key that lies elsewhere").recall(KEY) is None


def test_the_newest_master_key_of_the_settings_seals(tmp_path: Path) -> None:
    """Also where the settings do not come from the environment of this process."""
    new, old = b"n" * 32, b"o" * 32
    seals = [
        open_kept(Settings(data_dir=tmp_path, master_keys=keys))._sealed(KEY, b"")
        for keys in [(new, old), (new,), (old,), ()]
    ]
    assert (seals[0] == seals[1], len(set(seals))) == (True, 3)
