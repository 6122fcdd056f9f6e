"""What is a secret by its name, and texts without the secrets that they repeat."""

import json
from urllib.parse import quote

import pytest

from studio.core.hiding import hide, hide_address, is_secret_key, is_secret_variable

KEY = 'sk-ab"cd\\ef/%+1234'
ADDRESS = "https://me:pass%20word@hooks.example:8443/services/T00/B00/9f8e7d6c5b4a?access=0123456789"


@pytest.mark.parametrize("written", [KEY, json.dumps({"key": KEY}), quote(KEY, safe=""), f"a{KEY}{KEY}b"])
def test_a_key_is_taken_out_however_it_is_written(written: str) -> None:
    said = hide(f"401: {written}.", KEY)
    assert "ab" not in said.replace("a…", "")
    assert said.startswith("401: ")


def test_a_key_with_a_line_break_is_taken_out_piece_by_piece() -> None:
    assert hide(repr("first-piece\nsecond-piece"), "first-piece\nsecond-piece") == "'…\\n…'"


@pytest.mark.parametrize("secret", ["", "no", "a b"])
def test_what_is_too_short_to_be_told_from_words_stays(secret: str) -> None:
    assert hide("no address is a bad address", secret) == "no address is a bad address"


@pytest.mark.parametrize(
    "part", ["9f8e7d6c5b4a", "0123456789", "/services/T00/B00/9f8e7d6c5b4a", "me:pass%20word", "pass word", ADDRESS]
)
def test_of_an_address_only_the_host_is_told(part: str) -> None:
    said = hide_address(f"hooks.example does not know {part}!", ADDRESS)
    assert said.startswith("hooks.example does not know ")
    assert part not in said


def test_names_of_secrets() -> None:
    keys = ("wandb_api_key", "hf_hub_token", "ms_hub_token", "swanlab_api_key", "access_token", "db_password")
    assert all(map(is_secret_key, keys))
    assert not any(map(is_secret_key, ("max_new_tokens", "eos_token_id", "num_key_value_heads", "download_hub")))
    assert is_secret_variable("AWS_ACCESS_KEY_ID", "x")
    assert is_secret_variable("DATABASE_URL", "postgres://me:word@host/x")
    assert not is_secret_variable("HTTPS_PROXY", "http://me:word@proxy:3128")
    assert not any(
        is_secret_variable(name, "/x:/y") for name in ("PATH", "PYTHONPATH", "HOME", "LD_LIBRARY_PATH", "KEYBOARD")
    )
