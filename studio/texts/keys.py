"""The keyboard: what its shortcuts do."""

TEXTS: dict[str, tuple[str, str]] = {
    "keys.title": ("Keyboard shortcuts", "键盘快捷键"),
    "keys.close": ("Close", "关闭"),
    "keys.single": (
        "Single keys work",
        "启用单键快捷键",
    ),
    "keys.then": (" then ", " 然后 "),
    "keys.or": (" or ", " 或 "),
    "keys.list": ("This list", "显示此列表"),
    "keys.tab": ("Open a tab by its place, from the left", "按从左到右的位置打开标签页"),
    "keys.next": ("The tab beside it, where a tab has the focus", "焦点在标签上时切换到相邻标签"),
    "keys.main": (
        "The main button of the tab: Start, Send, Export …",
        "当前标签页的主要按钮：开始训练、发送、导出等",
    ),
    "keys.cancel": (
        "Stop the answer; close a menu, this list, or the part whose heading has the focus",
        "停止回答；关闭菜单、此列表，或标题处于焦点的折叠部分",
    ),
    "keys.search": ("Search: runs, the log, rows of data", "搜索：运行记录、日志、数据行"),
}
