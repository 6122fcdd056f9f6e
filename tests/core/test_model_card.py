from dataclasses import replace

import pytest
import yaml

from studio.core.model_card import CardFacts, DataFacts, RunFacts, Score, license_of, write_card
from studio.core.options import default_options
from studio.texts import LANGUAGES

RUN = RunFacts(
    name="r1",
    stage="SFT",
    checkpoint=40,
    data=(DataFacts("medical", 210, "ab12"),),
    options={**default_options(), "learning_rate": 0.02},
    losses={"loss": (8.5, 1.25)},
    steps=40,
    versions={"paddleformers": "1.2.0"},
)
FACTS = CardFacts("tuned", "ernie-4.5-demo", "apache-2.0", "Apache License", "bfloat16", (RUN,))


def front_matter(card: str) -> dict[str, object]:
    return yaml.safe_load(card.split("---")[1])


def test_a_card_tells_data_changed_options_losses_and_versions() -> None:
    card = write_card(FACTS, "en")
    assert "| medical | 210 | ab12 |" in card
    assert "| learning_rate | 0.02 |" in card
    assert "weight_decay" not in card
    assert "| loss | 8.5000 | 1.2500 |" in card
    assert "| paddleformers | 1.2.0 |" in card
    assert "at step 40" in card
    assert "Not evaluated." in card


@pytest.mark.parametrize("language", LANGUAGES)
def test_hubs_can_read_its_head(language: str) -> None:
    told = front_matter(write_card(FACTS, language))
    assert (told["base_model"], told["license"], told["datasets"]) == ("ernie-4.5-demo", "apache-2.0", ["medical"])


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("ernie-4.5-demo", True),
        ("baidu/ERNIE-4.5-0.3B-PT", True),
        ("医疗模型", False),
        ("me/医疗", False),
        ("a b", False),
        ("a/b/c", False),
        ("a--b", False),
        ("-a", False),
    ],
)
def test_its_head_has_only_names_that_hubs_take_and_its_body_has_all(name: str, is_told: bool) -> None:
    card = write_card(replace(FACTS, base=name, runs=[replace(RUN, data=[DataFacts(name)])]), "zh")
    told = front_matter(card)
    assert (told.get("base_model") == name, told.get("datasets") == [name]) == (is_told, is_told)
    assert ("base_model_relation" in told) is is_told
    assert f"| 基座 | {name} |" in card
    assert f"| {name} | – | – |" in card


def test_an_adapter_of_unknown_training_is_named_and_said_to_be_unknown() -> None:
    card = write_card(replace(FACTS, runs=[RUN, RunFacts("bought")]), "en")
    assert "of r1, bought into" in card
    assert card.partition("## Training: bought")[2].strip().startswith("The adapter came without a run")


def test_scores_stand_with_their_interval_and_the_bases() -> None:
    card = write_card(replace(FACTS, scores=[Score("bleu4", "held out", 0.5, 0.45, 0.55, 0.1)]), "en")
    assert "| bleu4 | held out | 0.500 | 0.450 – 0.550 | 0.100 |" in card


def test_a_base_without_a_licence_is_given_none() -> None:
    card = write_card(replace(FACTS, license_id="", license_name=""), "en")
    assert "license" not in front_matter(card)
    assert card.rstrip().endswith("not given")


@pytest.mark.parametrize("name", ["a|b", "a\nb", "<script>x", "a\r\n# b"])
def test_no_name_breaks_out_of_its_place(name: str) -> None:
    card = write_card(replace(FACTS, base=name, runs=[replace(RUN, name=name, data=[DataFacts(name)])]), "en")
    assert "base_model" not in front_matter(card)
    body = card.partition("\n# tuned")[2]
    assert "<script" not in body
    assert "\n# b" not in body
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    assert all(line.endswith(" |") for line in rows)


@pytest.mark.parametrize(
    ("readme", "license_file", "found"),
    [
        ("---\nlicense: mit\n---\n# x", "", ("mit", "")),
        ("# x", "\n  Apache License\n Version 2.0", ("", "Apache License")),
        ("---\nlicense: [\n---\n", "", ("", "")),
        ("---\n- a\n---\n", "", ("", "")),
        ("", "", ("", "")),
    ],
)
def test_a_licence_is_as_the_base_gives_it(readme: str, license_file: str, found: tuple[str, str]) -> None:
    assert license_of(readme, license_file) == found
