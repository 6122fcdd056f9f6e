"""The Serve tab, and what can be wrong with a server."""

TEXTS: dict[str, tuple[str, str]] = {
    "serve.tab": ("Serve", "服务"),
    "serve.intro": (
        "Offer a model to other programs by OpenAI's protocol. A server goes on when this page or the studio is closed.",
        "以 OpenAI 协议向其他程序提供模型。关闭页面或工作台后，服务仍会继续运行。",
    ),
    "serve.model": ("Model or run", "模型或运行"),
    "serve.model.help": (
        "A model of the list, a run, or the path of a model folder.",
        "从列表选择模型或运行，或填写模型文件夹路径。",
    ),
    "serve.adapters": ("Further adapters (LoRA)", "附加适配器（LoRA）"),
    "serve.backend": ("Served by", "服务引擎"),
    "serve.backend.builtin": ("Built-in server", "内置服务"),
    "serve.backend.fastdeploy": ("FastDeploy", "FastDeploy"),
    "serve.backend.vllm": ("vLLM (a command to copy)", "vLLM（复制命令）"),
    "serve.name": ("Name", "名称"),
    "serve.name.help": (
        "What programs call the model; empty names it after what is served.",
        "调用时使用的模型名；留空则与所选模型同名。",
    ),
    "serve.host": ("Address to listen on", "监听地址"),
    "serve.host.help": (
        "127.0.0.1 is for this machine alone; any other one asks for a key.",
        "127.0.0.1 仅供本机使用；其他地址需要密钥。",
    ),
    "serve.port": ("Port", "端口"),
    "serve.port.help": ("A free one is offered.", "已给出空闲端口。"),
    "serve.options": ("FastDeploy's settings", "FastDeploy 设置"),
    "serve.tensor_parallel_size": ("GPUs for one model", "张量并行数"),
    "serve.tensor_parallel_size.help": ("The model is split between them.", "模型切分到这些 GPU 上。"),
    "serve.max_model_len": ("Longest conversation", "最大长度"),
    "serve.max_model_len.help": ("In tokens, question and answer together.", "以 token 计，含问题与回答。"),
    "serve.max_num_seqs": ("Answers at once", "最大并发数"),
    "serve.max_num_seqs.help": ("More wait for their turn.", "超出的请求排队等待。"),
    "serve.gpu_memory_utilization": ("Share of GPU memory", "显存占用比例"),
    "serve.gpu_memory_utilization.help": ("Above 0, up to 1.", "大于 0，至多为 1。"),
    "serve.quantization": ("Quantisation", "量化"),
    "serve.quantization.help": ("Done while loading; empty for none.", "加载时量化；留空则不量化。"),
    "serve.block_size": ("Tokens a cache block", "缓存块大小"),
    "serve.block_size.help": ("How the cache is cut up; 64 is usual.", "KV 缓存的分块，通常为 64。"),
    "serve.kv_cache_ratio": ("Cache for prompts", "输入缓存比例"),
    "serve.kv_cache_ratio.help": ("The rest is for answers.", "其余用于回答。"),
    "serve.use_warmup": ("Warm up at the start", "启动时预热"),
    "serve.use_warmup.help": ("Starts later, first answer sooner.", "启动较慢，首次回答更快。"),
    "serve.metrics_port": ("Port for metrics", "指标端口"),
    "serve.metrics_port.help": ("For Prometheus.", "供 Prometheus 使用。"),
    "serve.engine_worker_queue_port": ("Port between its processes", "进程间端口"),
    "serve.engine_worker_queue_port.help": ("Used by FastDeploy alone.", "仅 FastDeploy 内部使用。"),
    "serve.reasoning_parser": ("Parser of reasoning", "思考解析器"),
    "serve.reasoning_parser.help": ("As ernie_x1; empty for none.", "例如 ernie_x1；留空则不解析。"),
    "serve.tool_call_parser": ("Parser of tool calls", "工具调用解析器"),
    "serve.tool_call_parser.help": ("As ernie_x1; empty for none.", "例如 ernie_x1；留空则不解析。"),
    "serve.command": ("Command", "命令"),
    "serve.no_command": (
        "# Choose a model, and the command appears here.",
        "# 选择模型后，这里会显示命令。",
    ),
    "serve.start": ("Start the server", "启动服务"),
    "serve.started": ("{name} is starting at {address}.", "{name} 正在启动，地址 {address}。"),
    "serve.none": (
        "No server yet. Choose a model on this tab and press “Start the server”; its address appears here.",
        "还没有服务。选择模型并点击“启动服务”，地址会显示在这里。",
    ),
    "serve.ready": ("Ready", "就绪"),
    "serve.loading": ("Loading", "加载中"),
    "serve.silent": ("Does not answer", "无响应"),
    "serve.ended": ("Ended", "已结束"),
    "serve.address": ("Address", "地址"),
    "serve.called": ("Model name", "模型名"),
    "serve.serves": ("Serves", "模型"),
    "serve.everywhere": (
        "From another machine, put this machine's address in place of {address}.",
        "从其他机器访问时，请将 {address} 换成本机的地址。",
    ),
    "serve.stop": ("Stop", "停止"),
    "serve.again": ("Start again", "重新启动"),
    "serve.remove": ("Remove", "移除"),
    "serve.key": ("Show the key", "显示密钥"),
    "serve.key.hide": ("Hide the key", "隐藏密钥"),
    "serve.use": ("How to call it", "调用方法"),
    "serve.use.key": (
        "The snippets read the key from the variable STUDIO_API_KEY.",
        "以下代码从环境变量 STUDIO_API_KEY 读取密钥。",
    ),
    "serve.curl": ("Shell", "命令行"),
    "serve.python": ("Python", "Python"),
    "serve.log": ("Log", "日志"),
    "serve.log.none": (
        "Nothing was printed yet; a model that loads says little.",
        "尚无输出；加载模型时输出较少。",
    ),
    "serve.hello": ("Hello!", "你好！"),
    "serve.lost": (
        "It was cut off: its processes are gone without a word, as after a restart of the machine. Start it again.",
        "服务被中断：进程已消失且未留下原因（例如机器重启）。请重新启动。",
    ),
    "serve.changed.stop": ("{name} is told to stop.", "已通知 {name} 停止。"),
    "serve.changed.again": ("{name} is starting again.", "{name} 正在重新启动。"),
    "serve.changed.remove": ("{name} is removed.", "已移除 {name}。"),
    # What stands in the way of a start.
    "problem.bad_host": (
        "“{given}” is no address. Give one in numbers, such as 127.0.0.1.",
        "“{given}” 不是地址。请填写数字形式的地址，例如 127.0.0.1。",
    ),
    "problem.host_elsewhere": (
        "{given} is no address of this machine, so nothing here can listen on it.",
        "{given} 不是本机的地址，无法监听。",
    ),
    "problem.server_port_used": (
        "Port {given} is in use. Choose another one.",
        "端口 {given} 已被占用。请换一个。",
    ),
    "problem.ports_collide": (
        "Port {given} is asked for twice. Each of the ports must be another one.",
        "端口 {given} 被重复使用。各端口必须不同。",
    ),
    "problem.server_name_used": (
        "A server called {given} is running. Choose another name, or stop that one.",
        "名为 {given} 的服务正在运行。请换一个名称，或先停止它。",
    ),
    "problem.server_needs_merged": (
        "Only the studio's own server puts an adapter on its base. Merge it on the Export tab first, then serve the"
        " merged model. ({given})",
        "只有内置服务能在基座上叠加适配器。请先在“导出”页合并，再提供合并后的模型。（{given}）",
    ),
    "problem.fastdeploy_missing": (
        "FastDeploy is not installed here. It needs a GPU and comes from Paddle's own index (the head of"
        " requirements-gpu.txt tells how); “fastdeploy” of the common index is another project.",
        "本机未安装 FastDeploy。它需要 GPU，并从飞桨自己的源安装（见 requirements-gpu.txt 开头）；"
        "公共源上的 “fastdeploy” 是无关项目。",
    ),
    "problem.fastdeploy_without_key": (
        "This version of FastDeploy can be told a key only where every user of the machine reads it. Let it listen on"
        " 127.0.0.1 behind a proxy that asks for a password, or install a newer one.",
        "此版本的 FastDeploy 只能以所有用户可见的方式接收密钥。请监听 127.0.0.1 并在前面放置带密码的代理，"
        "或安装更新的版本。",
    ),
    "problem.vllm_is_copied": (
        "The studio does not start vLLM: copy the command, and run it where vLLM is installed.",
        "工作台不会启动 vLLM：请复制命令，在安装了 vLLM 的环境中运行。",
    ),
    "problem.not_parser": (
        "“{given}” is no name of a parser. Use letters, digits, “-”, “_” and “.”.",
        "“{given}” 不是解析器名称。请使用字母、数字、“-”、“_” 和 “.”。",
    ),
    "problem.adapter_without_base": (
        "{given} is an adapter whose base is not known. Choose the base as the model, and it as a further adapter.",
        "不清楚 {given} 的基座模型。请选择基座为模型，并将它作为附加适配器。",
    ),
    "problem.server_key_made": (
        "Other machines can reach {given}: a key is made, and every request must carry it.",
        "其他机器可以访问 {given}：将生成密钥，每个请求都必须携带。",
    ),
    "problem.server_key_from_you": (
        "Other machines can reach {given}: put a key of your own into STUDIO_API_KEY before you run the command.",
        "其他机器可以访问 {given}：运行命令前，请将自己的密钥放入 STUDIO_API_KEY。",
    ),
    # Why a server ended, and what cannot be done with one.
    "error.server_failed": ("The server ended. Its last words: {reason}", "服务已结束，最后的输出：{reason}"),
    "error.server_killed": (
        "The server was killed by {signal}. If nobody did that, the machine may have run out of memory.",
        "服务被信号 {signal} 终止。若非人为，可能是机器内存不足。",
    ),
    "error.server_out_of_memory": (
        "The machine ran out of memory, and its kernel killed the server. Serve a smaller model, or stop what else runs.",
        "机器内存耗尽，内核终止了服务。请使用更小的模型，或停止其他程序。",
    ),
    "error.server_log_flood": (
        "The server wrote more than {limit} of log and was stopped. Start it again.",
        "服务写出的日志超过 {limit}，已被停止。请重新启动。",
    ),
    "error.unknown_server": ("There is no server {given}. Known: {known}.", "没有服务 {given}。已有：{known}。"),
    "error.server_is_running": ("{given} is running. Stop it first.", "{given} 正在运行，请先停止。"),
    "error.server_not_running": ("{given} does not run.", "{given} 未在运行。"),
    "error.server_without_key": ("{given} asks for no key.", "{given} 不需要密钥。"),
    # The command line.
    "cli.servers": ("list, start, stop and remove model servers", "列出、启动、停止与移除模型服务"),
    "cli.servers_list": ("list the servers", "列出服务"),
    "cli.servers_start": ("start a server that goes on by itself", "启动一个持续运行的服务"),
    "cli.servers_stop": ("stop a server", "停止服务"),
    "cli.servers_remove": ("forget a server that has ended", "移除已结束的服务"),
    "cli.servers_key": ("print the key of a server", "显示服务的密钥"),
    "cli.servers_wait": ("return when it answers", "等到可以应答后返回"),
}
