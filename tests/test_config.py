"""Settings: who wins when several places say one, and what is said when one is wrong."""

import json
import tomllib
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from rfconv_cli.config import PRESETS, Settings, Source, from_values, settings_schema, to_toml
from rfconv_cli.errors import UsageError
from rfconv_cli.export.document import load_schema
from rfconv_cli.resolve import resolve


def resolved(folder: Path, *, flags=None, env=None, toml: str = "") -> Settings:
    (folder / "rfconv.toml").write_text(toml, encoding="utf-8")
    return resolve(flags or {}, env or {}, folder)


FLAG, ENV, FILE = {"hidden": 1}, {"RFCONV_HIDDEN": "2"}, "hidden = 3\n"
PAPER = 'preset = "paper"\n'


@pytest.mark.parametrize(
    ("flags", "env", "toml", "hidden"),
    [
        (FLAG, ENV, FILE + PAPER, 1),
        ({}, ENV, FILE + PAPER, 2),
        ({}, {}, FILE + PAPER, 3),
        ({}, {}, PAPER, PRESETS["paper"]["hidden"]),
        ({}, {}, "", Settings().hidden),
        (FLAG, {}, FILE, 1),
        (FLAG, ENV, "", 1),
        ({"preset": "paper"}, ENV, "", 2),
        ({"preset": "paper"}, {}, FILE, 3),
        ({"preset": "default"}, {"RFCONV_PRESET": "paper"}, "", Settings().hidden),
        ({"hidden": None}, ENV, FILE, 2),
        ({"hidden": 0}, ENV, FILE, 0),
    ],
)
def test_a_flag_beats_the_environment_beats_the_file_beats_the_preset(tmp_path, flags, env, toml, hidden):
    assert resolved(tmp_path, flags=flags, env=env, toml=toml).hidden == hidden


def test_without_a_file_the_defaults_hold(tmp_path):
    assert resolve({}, {}, tmp_path) == Settings()


@pytest.mark.parametrize("empty", [None, (), []])
def test_a_flag_that_was_not_given_overrides_nothing(tmp_path, empty):
    assert resolved(tmp_path, flags={"features": empty}, toml='features = ["a*"]\n').features == ("a*",)


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("RFCONV_KERNEL_SIZE", "7", "kernel_size", 7),
        ("RFCONV_LR", "1e-3", "lr", 0.001),
        ("RFCONV_DISTINCT", "false", "distinct", False),
        ("RFCONV_PLOTS", "0", "plots", False),
        ("RFCONV_GROUP", "day", "group", "day"),
        ("RFCONV_FEATURES", "temp*,wind[m/s]", "features", ("temp*", "wind[m/s]")),
        ("RFCONV_LEVEL", "second-order", "level", "second-order"),
    ],
)
def test_the_environment_gives_every_kind_of_value(name, text, setting, value):
    assert getattr(resolve({}, {name: text}, Path("/nowhere")), setting) == value


@pytest.mark.parametrize("name", ["RFCONV_RUN", "PATH", "RFCONVX"])
def test_the_environment_may_hold_what_is_no_setting(name):
    assert resolve({}, {name: "x"}, Path("/nowhere")) == Settings()


@pytest.mark.parametrize(
    ("toml", "env", "nearest"),
    [
        ("kernelsize = 5\n", {}, "kernel_size"),
        ("Epochs = 5\n", {}, "epochs"),
        ("[network]\nchannels = 2\n", {}, "network"),
        ("", {"RFCONV_KERNAL_SIZE": "5"}, "RFCONV_KERNEL_SIZE"),
        ("", {"RFCONV_EPOCH": "5"}, "RFCONV_EPOCHS"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_ones(tmp_path, toml, env, nearest):
    with pytest.raises(UsageError) as caught:
        resolved(tmp_path, env=env, toml=toml)
    assert caught.value.code == "unknown_setting"
    assert nearest in caught.value.message


BAD = {
    "too small": ({"kernel_size": 1}, "--kernel-size 1"),
    "too large": ({"test_size": 0.95}, "--test-size 0.95"),
    "not a number": ({"channels": "many"}, "--channels many"),
    "not whole": ({"layers": 1.5}, "--layers 1.5"),
    "negative": ({"gamma": -1.0}, "--gamma -1.0"),
    "nan": ({"lr": "nan"}, "--lr nan"),
    "infinite": ({"lr": "inf"}, "--lr inf"),
    "no choice": ({"level": "third-order"}, "--level third-order"),
    "no preset": ({"preset": "papers"}, "--preset papers"),
    "not yes or no": ({"distinct": "perhaps"}, "--distinct perhaps"),
    "beyond 63 bits": ({"seed": 2**63}, f"--seed {2**63}"),
    "one text where a list is due": ({"features": "temp"}, "--features temp"),
    "a list where one is due": ({"group": ["a"]}, "--group ['a']"),
}


@pytest.mark.parametrize(("given", "says"), BAD.values(), ids=BAD)
def test_a_bad_value_is_named_with_its_flag(given, says):
    with pytest.raises(UsageError) as caught:
        from_values(given)
    assert caught.value.code == "bad_setting"
    assert caught.value.message.startswith(says)
    assert says.split()[0] in caught.value.hint


@pytest.mark.parametrize("env", [{"RFCONV_EPOCHS": "few"}, {"RFCONV_THREADS": ""}])
def test_a_bad_value_of_the_environment_is_wrong_usage(env):
    with pytest.raises(UsageError) as caught:
        resolve({}, env, Path("/nowhere"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"epochs = \n", b"epochs = 1\nepochs = 2\n", b"group = '\xff\xfe'\n", b"{"])
def test_a_file_that_is_not_toml_is_named(tmp_path, content):
    (tmp_path / "rfconv.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"rfconv\.toml cannot be read") as caught:
        resolve({}, {}, tmp_path)
    assert caught.value.code == "bad_config"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_one_set_of_valid_settings(name):
    settings = from_values({"preset": name})
    assert {key: getattr(settings, key) for key in PRESETS[name]} == PRESETS[name]
    assert settings.preset == name


def test_the_presets_that_can_be_chosen_are_those_there_are():
    assert settings_schema()["properties"]["preset"]["enum"] == list(PRESETS)


EVERY_KIND = {
    "features": ("a,b", 'quote"d', "日本[m/s]"),
    "group": "day # not a comment",
    "gamma": 1e-300,
    "seed": 2**63 - 1,
    "plots": False,
    "threads": 2,
    "test_size": 0.1 + 0.2,
}


@pytest.mark.parametrize("given", [{}, {"preset": "paper"}, EVERY_KIND], ids=["defaults", "paper", "every kind"])
def test_settings_come_back_from_toml_as_they_were(given):
    settings = from_values(given)
    assert from_values(tomllib.loads(to_toml(settings).decode())) == settings


def test_the_saved_settings_override_the_preset_they_name(tmp_path):
    settings = from_values({"preset": "paper", "hidden": 7})
    assert resolved(tmp_path, toml=to_toml(settings).decode()) == settings


def test_the_schema_of_settings_is_a_json_schema():
    jsonschema.Draft202012Validator.check_schema(settings_schema())


@pytest.mark.parametrize("given", [{}, {"preset": "paper"}, EVERY_KIND], ids=["defaults", "paper", "every kind"])
def test_the_schema_accepts_every_settings(given):
    validator = jsonschema.Draft202012Validator(settings_schema())
    assert [one.message for one in validator.iter_errors(json.loads(from_values(given).model_dump_json()))] == []


@pytest.mark.parametrize("given", [{"kernel_size": 1}, {"epoch": 5}, {"level": "third-order"}, {"lr": 0}])
def test_the_schema_refuses_what_the_settings_refuse(given):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, settings_schema())


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_setting_says_what_it_means_and_where_it_belongs(key):
    described = settings_schema()["properties"][key]
    assert described["description"].endswith(".")
    assert described["section"]


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().epochs = 3


def test_every_source_may_stand_in_a_fields_document():
    sources = set(get_args(Source)) - {"contest"}
    assert sources <= set(load_schema()["properties"]["source"]["enum"])
