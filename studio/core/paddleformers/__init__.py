"""All that is particular to PaddleFormers 1.2: its keys, its quirks, its arguments, its failures."""
