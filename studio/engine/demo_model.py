"""`python -m studio.engine.demo_model FOLDER`: the demo base model, made locally.

ERNIE 4.5 architecture with 1.4 million parameters and a byte-level BPE tokenizer made from the text below,
so that it does not change when somebody edits the demo data. Deterministic: two calls write the same bytes.
It knows nothing yet; it is there to be trained.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

SEED = 20260101
VOCABULARY = 4608
HIDDEN = 128
LAYERS = 4
HEADS = 4
KEY_VALUE_HEADS = 2
CONTEXT = 4096
# The engine draws embeddings so small that the tied output layer can be sure of no token while they stay
# fixed, as they do under LoRA.
EMBEDDING_SCALE = 4.0
# The engine begins every training row with this token, so a prompt must begin with it too.
BEGIN = "<|begin_of_sentence|>"
SPECIAL_TOKENS = ["<s>", "</s>", "<unk>", "<pad>", BEGIN, "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{{ '" + BEGIN + "' }}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
ROLES = ("system", "user", "assistant", "tool")
CHINESE_PUNCTUATION = "，。？！：；、（）《》“”‘’…—·"
# The commonest first: the vocabulary takes them in this order.
ENGLISH = Path(__file__).with_name("demo_words.txt").read_text(encoding="utf-8").split()


def read_corpus() -> list[str]:
    """The 3,755 commonest Chinese characters (the first level of GB 2312), punctuation, English words.

    Characters and role names stand three times, so that they become tokens before the rarer English words do.
    """
    rows = range(0xB0, 0xD8)
    common = b"".join(bytes((row, cell)) for row in rows for cell in range(0xA1, 0xFF))
    characters = common.decode("gb2312", errors="ignore") + CHINESE_PUNCTUATION
    words = [" ".join(ENGLISH), " ".join(word.capitalize() for word in ENGLISH)]
    return [*characters, *ROLES] * 3 + words


def build_tokenizer() -> Any:
    """A byte-level BPE, so that any text in any language can be written with it.

    A Chinese character is never joined with its neighbour: whole sentences would become single tokens,
    which a model sees too rarely to learn.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{Han}，。？！：；、]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(read_corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|im_end|>",
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token=BEGIN,
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
    tokenizer = build_tokenizer()
    config = Ernie4_5Config(
        vocab_size=len(tokenizer),
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
    embedding = model.get_input_embeddings().weight
    embedding.set_value(embedding * EMBEDDING_SCALE)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        model.save_pretrained(str(beside))
        tokenizer.save_pretrained(str(beside))
        # Left behind by the engine's saving; not part of a model.
        for signal in beside.glob("saved_signal_*"):
            signal.unlink()
        # The engine writes weights that only their owner can read.
        for path in (beside, *beside.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


if __name__ == "__main__":
    make_demo_model(Path(sys.argv[1]))
