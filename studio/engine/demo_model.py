"""`python -m studio.engine.demo_model FOLDER`: the demo base model, made locally.

ERNIE 4.5 architecture with 1.5 million parameters and a byte-level BPE tokenizer trained on the demo data
that comes with the studio. Deterministic: two calls write the same bytes. It knows nothing yet; it is there
to be trained.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEED = 20260101
VOCABULARY = 4096
HIDDEN = 128
LAYERS = 4
HEADS = 4
KEY_VALUE_HEADS = 2
CONTEXT = 4096
SPECIAL_TOKENS = ["<s>", "</s>", "<unk>", "<pad>", "<|im_start|>", "<|im_end|>"]
CORPUS = Path(__file__).resolve().parents[2] / "data"
# Named one by one: a file that somebody adds must not change the demo model.
CORPUS_FILES = (
    "medical_en.json",
    "medical_zh.jsonl",
    "medical_zh_erniekit.jsonl",
    "medical_zh_eval.jsonl",
    "medical_zh_preference.jsonl",
    "medical_zh_text.jsonl",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def read_corpus(folder: Path) -> Iterator[str]:
    """Every string in the shipped data files."""
    for path in (folder / name for name in CORPUS_FILES):
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if path.suffix == ".json" else map(json.loads, text.splitlines())
        for row in rows:
            yield from _strings(row)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)


def build_tokenizer(corpus: Iterator[str]) -> Any:
    """A byte-level BPE, so that any text in any language can be written with it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|im_end|>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def make_demo_model(folder: Path) -> None:
    """Write the model beside `folder` and rename it, so that a half-made one is never found."""
    import paddle
    from paddleformers.transformers import Ernie4_5Config, Ernie4_5ForCausalLM

    from studio.engine.fixes import apply_fixes

    apply_fixes()
    paddle.set_device("cpu")
    paddle.seed(SEED)
    tokenizer = build_tokenizer(read_corpus(CORPUS))
    config = Ernie4_5Config(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=3 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_VALUE_HEADS,
        head_dim=HIDDEN // HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        architectures=["Ernie4_5ForCausalLM"],
    )
    model = Ernie4_5ForCausalLM(config)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        model.save_pretrained(str(beside))
        tokenizer.save_pretrained(str(beside))
        # Left behind by the engine's saving; not part of a model.
        for signal in beside.glob("saved_signal_*"):
            signal.unlink()
        os.chmod(beside, 0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


if __name__ == "__main__":
    make_demo_model(Path(sys.argv[1]))
