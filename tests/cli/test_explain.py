"""``synapse-tim explain reference``, and what the command refuses; the rest beside real servers."""

import gzip
import json

import pytest

from synapse_tim.cli import main
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.core.refusal import Refusal
from tests.cli.configurations import make_files, sound

REFUSAL = Refusal("abcd2345", "A_26021-01", "invitee_refuses", "here.example", "there.example")
OTHER = Refusal("zzzz2345", "R4.10", "no_such_denial", "here.example", None)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "homeserver.log"
    lines = ["abcd2345 is something else", f"INFO - {OTHER}", f"INFO - POST-1 - {REFUSAL}"]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("said", ["abcd2345", "ABCD2345", "[Reference: abcd2345]", " abcd2345 "])
def test_a_reference_is_found(log, capsys, said):
    assert main(["explain", "reference", said, str(log), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    (found,) = printed["refusals"]
    assert (found["rule"], found["denial"], found["server"]) == (
        "A_26021-01",
        "invitee_refuses",
        "here.example",
    )
    assert found["other_server"] == "there.example"
    assert found["text"] == "You cannot invite this user. (A_26021-01)"


def test_it_is_found_in_compressed_logs_and_printed(log, capsys):
    packed = log.with_suffix(".log.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("")
    assert main(["explain", "reference", "abcd2345", str(log), str(packed)]) == 0
    assert "invitee_refuses" in capsys.readouterr().out


def test_a_denial_of_another_version_is_shown_as_it_is(log, capsys):
    assert main(["explain", "reference", "zzzz2345", str(log), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["refusals"]
    assert (found["denial"], found["text"], found["other_server"]) == ("no_such_denial", None, None)


def test_what_is_not_there_is_1(log, capsys):
    assert main(["explain", "reference", "aaaa2222", str(log)]) == 1
    assert "aaaa2222 is not in these files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reference", "abc", "{log}"], "'abc' is no reference"),
        (["reference", "abcd2345", "{log}.9"], "No such file"),
        (["invite", "doctor", "@b:here.example", "--config", "{config}"], "'doctor' is not a user id"),
        (["invite", "@a:here.example", "b", "--config", "{config}"], "'b' is not a user id"),
        (["user", "@a:elsewhere.example", "--config", "{config}"], "is not a user of"),
        (["server", "a.example", "--config", "{config}.9"], "No such file"),
        (
            ["server", "a.example", "--config", "{empty}"],
            "no module of synapse_tim has a block that can be used",
        ),
    ],
)
def test_what_cannot_be_found_out_is_2(log, tmp_path, capsys, arguments, said):
    make_files(tmp_path)
    config, empty = tmp_path / "homeserver.yaml", tmp_path / "empty.yaml"
    document = sound(tmp_path, Product.PRO, SpecVersion.V1_2)
    document["database"] = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    (tmp_path / "homeserver.db").touch()
    config.write_text(json.dumps(document))
    empty.write_text(json.dumps({**document, "modules": []}))
    given = [each.format(log=log, config=config, empty=empty) for each in arguments]
    assert main(["explain", *given]) == 2
    assert said in capsys.readouterr().err
