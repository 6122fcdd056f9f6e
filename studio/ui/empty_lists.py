"""Where the entries of a list come from, for who opens one that has none yet; `page.js` says it."""

# Element ids of dropdowns by what they list; `empty.KIND` says where that comes from.
LISTS: dict[str, tuple[str, ...]] = {
    "models": (
        "train-model",
        "chat-model",
        "arena-models",
        "serve-model",
        "dataset-model",
        "prove-base",
        "prove-merged",
    ),
    "answering": ("batch-models", "evaluation-models"),
    "adapters": ("train-adapter", "chat-adapters", "serve-adapters", "export-run", "export-more", "prove-adapters"),
    "runs": ("train-run", "train-checkpoint", "probes-run"),
    "checkpoints": ("export-checkpoint",),
    "merged": ("export-model",),
    "datasets": (
        "train-datasets",
        "train-eval_dataset",
        "dataset-pick",
        "batch-dataset",
        "evaluation-dataset",
        "chat-keep-dataset",
    ),
    "others": ("versions-against",),
    "batches": ("batch-pick",),
    "evaluations": ("evaluation-pick",),
    "probes": ("probes-pick",),
    "presets": ("train-preset",),
}
KIND_OF = {element: kind for kind, elements in LISTS.items() for element in elements}
