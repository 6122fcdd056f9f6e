"""What helps along: the tour, links into the page, why a button does nothing, copying, and settings that are kept."""

TEXTS: dict[str, tuple[str, str]] = {
    # The tour.
    "tour.offer": (
        "New here? A tour of two minutes, from data to a served model.",
        "初次使用？两分钟导览：从数据到模型服务。",
    ),
    "tour.open": ("Show me around", "开始导览"),
    "tour.never": ("Not now", "暂不需要"),
    "tour.back": ("Back", "上一步"),
    "tour.next": ("Next", "下一步"),
    "tour.end": ("Close", "关闭"),
    "tour.done": ("Done", "完成"),
    "tour.count": ("{step} of {steps}", "{step} / {steps}"),
    "tour.1": ("Your data", "您的数据"),
    "tour.1.text": (
        "Everything that can be trained on is listed here, the demo's datasets among it. "
        "Register your own file on this tab; its format is recognised, and every faulty row is told.",
        "可用于训练的数据都列在这里，包括演示数据集。可在本页注册自己的文件：格式会自动识别，错误行会逐条指出。",
    ),
    "tour.2": ("Train", "训练"),
    "tour.2.text": (
        "The form is filled in with a demo that takes about a minute on a CPU. What stands in the way is told above; "
        "Start begins the run, which goes on when you close the page.",
        "表单已填好演示，用 CPU 约需一分钟。上方会指出需要修正的问题；点击“开始训练”后，关闭页面也不影响运行。",
    ),
    "tour.3": ("Watch", "观察"),
    "tour.3.text": (
        "Loss and other measures are drawn while the run goes on, and under them its log. The Runs tab keeps all runs "
        "and compares them.",
        "运行期间会实时绘制损失等指标，下方是日志。“运行记录”页保存全部运行并可比较。",
    ),
    "tour.4": ("Chat", "对话"),
    "tour.4.text": (
        "Load the base model or a run of yours, and ask it. Two models can be asked side by side.",
        "加载基座模型或自己的运行并提问；也可以并排比较两个模型。",
    ),
    "tour.5": ("Evaluate", "评估"),
    "tour.5.text": (
        "Score base and tuned model on rows that neither was trained on, and see whether the difference is certain.",
        "用未参与训练的数据为基座和微调模型评分，并查看差异是否可靠。",
    ),
    "tour.6": ("Export", "导出"),
    "tour.6.text": (
        "Merge a LoRA run into its base. The merged model is compared with both before it is offered.",
        "把 LoRA 运行合并到基座；合并后的模型先与二者比较，通过后才会提供。",
    ),
    "tour.7": ("Serve", "服务"),
    "tour.7.text": (
        "Start a server that speaks the OpenAI protocol, and copy the lines that call it. That was the tour.",
        "启动兼容 OpenAI 协议的服务，并复制调用代码。导览到此结束。",
    ),
    # Links.
    "link.no_run": (
        "There is no run {given}; the Runs tab lists all that there are.",
        "没有名为 {given} 的运行；“运行记录”页列出了全部运行。",
    ),
    "link.no_tab": ("There is no tab {given} in this studio.", "没有名为 {given} 的页面。"),
    "link.copy": ("Copy link", "复制链接"),
    "link.open": ("Open", "打开"),
    # Times.
    "unit.s": ("{count} s", "{count} 秒"),
    "unit.min": ("{count} min", "{count} 分钟"),
    "unit.h": ("{count} h", "{count} 小时"),
    "unit.d": ("{count} d", "{count} 天"),
    # Settings that are kept.
    "kept.reset": ("Reset to defaults", "恢复默认设置"),
    "kept.back": ("These are your last settings in this browser.", "这是您上次在此浏览器中的设置。"),
    "kept.gone": ("Gone meanwhile, and left out: {names}.", "以下各项已不存在，未予恢复：{names}。"),
    # Copying.
    "copy.copy": ("Copy", "复制"),
    "copy.copied": ("Copied", "已复制"),
    "copy.failed": ("The browser does not allow copying.", "浏览器不允许复制。"),
    "copy.name": ("Copy the name", "复制名称"),
    "copy.path": ("Copy the path", "复制路径"),
    "copy.checkpoint": ("Copy the path of the checkpoint", "复制检查点路径"),
    "copy.error": ("Copy the message", "复制错误信息"),
    "copy.log": ("Copy the log", "复制日志"),
    # Lists without entries.
    "empty.models": (
        "No model yet: type the path of a model folder, or put one into models/.",
        "还没有模型：请填写模型文件夹路径，或把模型放入 models/。",
    ),
    "empty.answering": (
        "No model or run yet: put a model folder into models/, or train one.",
        "还没有模型或运行：请把模型放入 models/，或先训练一个。",
    ),
    "empty.adapters": (
        "No adapter yet: train with the method lora on the Train tab.",
        "还没有适配器：请在“训练”页用 lora 方法训练。",
    ),
    "empty.runs": ("No run yet: press Start on the Train tab.", "还没有运行：请在“训练”页点击“开始训练”。"),
    "empty.checkpoints": ("Choose a LoRA run first.", "请先选择 LoRA 运行。"),
    "empty.merged": ("No merged model yet: export a LoRA run first.", "还没有合并的模型：请先导出 LoRA 运行。"),
    "empty.datasets": (
        "No dataset yet: register a file on the Dataset tab.",
        "还没有数据集：请在“数据集”页注册文件。",
    ),
    "empty.others": ("No other dataset yet: register a second file.", "还没有其他数据集：请再注册一个文件。"),
    "empty.batches": (
        "No batch yet: choose a dataset and models beside it, and press Start.",
        "还没有批次：请在旁边选择数据集和模型，然后点击“开始”。",
    ),
    "empty.evaluations": (
        "No evaluation yet: choose a dataset and models beside it, and start one.",
        "还没有评估：请在旁边选择数据集和模型并开始。",
    ),
    "empty.probes": (
        "No probes yet: choose a run beside it, write a few prompts, and ask its checkpoints.",
        "还没有探测记录：请在旁边选择运行、填写几个提示并询问检查点。",
    ),
    "empty.presets": ("No preset yet: keep these settings as one.", "还没有预设：可将当前设置存为预设。"),
    "empty.found": ("No argument of the engine fits.", "没有匹配的引擎参数。"),
    "go.train": ("Open the Train tab", "打开“训练”页"),
    # Why a button does nothing.
    "why.no_run": ("No run is chosen; Start begins one.", "未选择运行；点击“开始训练”可新建。"),
    "why.run_over": ("This run is over.", "该运行已结束。"),
    "why.no_export": ("Nothing is being exported.", "当前没有导出任务。"),
    "why.no_proof": ("Nothing is being compared.", "当前没有比较任务。"),
    "why.nothing_picked": ("Nothing is chosen in the list above.", "上方列表中未选择任何项。"),
    "why.not_running": ("It is not running.", "它未在运行。"),
    "why.still_running": ("It is still running; cancel it first.", "仍在运行，请先取消。"),
    "why.still_asking": ("It is still running.", "仍在运行。"),
    "why.nothing_left": ("Everything is answered; there is nothing left to ask.", "全部问题都已回答。"),
    "why.choose_runs": ("Tick runs in the list first.", "请先在列表中勾选运行。"),
    "why.first_page": ("This is the first page.", "已是第一页。"),
    "why.last_page": ("This is the last page.", "已是最后一页。"),
    "why.server_stopping": ("It is stopping already.", "正在停止。"),
    "why.vllm_is_copied": (
        "vLLM is not started here: copy the command above to where it is installed.",
        "工作台不启动 vLLM：请复制上方命令，到安装了它的机器上运行。",
    ),
    "why.working": ("It is being done.", "正在处理。"),
}
