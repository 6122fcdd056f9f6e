"""Pure logic: no gradio, no processes, no files, no network, no clock."""
