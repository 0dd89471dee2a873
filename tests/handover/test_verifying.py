"""`countersign verify`: whatever is changed in a pack is found, and no file can make it fail otherwise."""

import hashlib
import json
import random
import zipfile

import pytest
from click.testing import CliRunner

from campaign.cli.main import countersign
from campaign.handover import packs
from campaign.handover.verifying import verify
from tests.handover.kit import ask, content, organiser, packed, petition_id, save, signed, unpacked


@pytest.fixture
def pack(world):
    olga = organiser(world)
    signed(world)
    ask(world, olga)
    packs.make(world.runtime)
    world.fingerprint = packs.of_petition(world.runtime, petition_id(world))[0].fingerprint
    return unpacked(content(world, olga))


def told(tmp_path, files, **named):
    return " ".join(verify(save(tmp_path, packed(files)), **named).problems)


def changed(raw, **fields):
    return json.dumps(json.loads(raw) | fields).encode()


CHANGES = {
    "a line less": lambda files: files["signatures.csv"].rsplit(b"\r\n", 2)[0] + b"\r\n",
    "another country": lambda files: files["signatures.csv"].replace(b'"PK"', b'"DE"', 1),
    "another name": lambda files: files["signatures.csv"].replace(b"Ahmadi 1", b"Ahmadi 9"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_list_is_found(pack, tmp_path, change):
    assert "signatures.csv" in told(tmp_path, pack | {"signatures.csv": CHANGES[change](pack)})


def rehashed(pack, name, raw):
    """The pack with another file, and a manifest that names its hash."""
    manifest = json.loads(pack["manifest.json"])
    manifest["files"][name] = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return pack | {name: raw, "manifest.json": json.dumps(manifest).encode()}


@pytest.mark.parametrize("change", ["a line less", "another country"])
def test_a_list_that_was_changed_with_its_hash_does_not_add_up(pack, tmp_path, change):
    files = rehashed(pack, "signatures.csv", CHANGES[change](pack))

    assert "signatures.csv" in told(tmp_path, files)


def test_a_pack_that_was_made_anew_with_other_names_has_another_fingerprint(pack, world, tmp_path):
    files = rehashed(pack, "signatures.csv", CHANGES["another name"](pack))

    assert told(tmp_path, files) == ""
    assert "another pack" in told(tmp_path, files, expected=world.fingerprint)
    assert told(tmp_path, pack, expected=f" {world.fingerprint.upper()} ") == ""


@pytest.mark.parametrize("name", ["letter.pdf", "signatures.csv", "signatures-001.pdf", "texts/en-1.json"])
def test_each_file_is_needed_and_may_not_change(pack, tmp_path, name):
    assert f"{name} is missing" in told(tmp_path, {key: raw for key, raw in pack.items() if key != name})
    assert name in told(tmp_path, pack | {name: pack[name] + b" "})
    flipped = bytes([pack[name][0] ^ 1]) + pack[name][1:]
    assert "was changed" in told(tmp_path, pack | {name: flipped})


def test_a_text_that_is_not_what_was_signed_is_found(pack, tmp_path):
    text = changed(pack["texts/en-1.json"], title="Another title")

    assert "not the text that was signed" in told(tmp_path, rehashed(pack, "texts/en-1.json", text))


@pytest.mark.parametrize(
    "fields",
    [{"count": 6}, {"named": 4}, {"countries": {"DE": 5}}, {"unknown_text": 1}, {"texts": []}],
)
def test_numbers_that_do_not_add_up_are_found(pack, tmp_path, fields):
    assert told(tmp_path, pack | {"manifest.json": changed(pack["manifest.json"], **fields)})


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 2}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 1, "texts": 1, "files": {}}',
    ],
)
def test_a_manifest_that_is_none_is_told(pack, tmp_path, manifest):
    assert "manifest.json can't be read" in told(tmp_path, pack | {"manifest.json": manifest})


def test_files_that_the_manifest_does_not_name_are_found(pack, tmp_path):
    assert "does not name it" in told(tmp_path, pack | {"more.txt": b"x"})
    named = rehashed(pack, "../../etc/passwd", b"x")
    assert "no name of a file" in told(tmp_path, named)


def test_a_name_that_is_there_twice_is_found(pack, tmp_path):
    path = save(tmp_path, packed(pack))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("signatures.csv", b"x")

    assert "2 times" in " ".join(verify(path).problems)


@pytest.mark.parametrize("raw", [b"", b"PK", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_pack_is_told(tmp_path, raw):
    assert len(verify(save(tmp_path, raw)).problems) == 1


def test_a_pack_with_any_damage_is_told_and_never_fails(pack, tmp_path):
    chance, whole = random.Random(7), packed(pack)  # noqa: S311 - a repeatable choice
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        verdict = verify(save(tmp_path, bytes(raw[: chance.choice([len(raw), chance.randrange(len(raw))])])))
        assert verdict.problems or verdict.manifest is not None


def test_the_command_says_what_is_right_and_what_is_wrong(pack, world, tmp_path):
    right = CliRunner().invoke(
        countersign, ["verify", str(save(tmp_path, packed(pack))), "--fingerprint", world.fingerprint]
    )
    wrong = CliRunner().invoke(
        countersign, ["verify", str(save(tmp_path, packed(pack | {"letter.pdf": b"x"}))), "--json"]
    )
    missing = CliRunner().invoke(countersign, ["verify", str(tmp_path / "none.zip")])

    assert (right.exit_code, wrong.exit_code, missing.exit_code) == (0, 1, 2)
    assert "5 signatures" in right.output
    assert world.fingerprint in right.output
    assert json.loads(wrong.output)["is_right"] is False
