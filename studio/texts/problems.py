"""What is wrong and what would work: errors, problems, warnings about a bundle."""

TEXTS: dict[str, tuple[str, str]] = {
    "problem.unknown_argument": (
        "The engine has no argument “{given}”. Near it: {near}.",
        "引擎没有参数“{given}”。相近的有：{near}。",
    ),
    "problem.argument_not_bool": (
        "{name} is true or false, and “{given}” is neither.",
        "{name} 应为 true 或 false，而不是“{given}”。",
    ),
    "problem.argument_not_int": (
        "{name} is a whole number, and “{given}” is none.",
        "{name} 应为整数，而不是“{given}”。",
    ),
    "problem.argument_not_float": (
        "{name} is a number, and “{given}” is none.",
        "{name} 应为数字，而不是“{given}”。",
    ),
    "problem.argument_not_text": ("{name} is text, and “{given}” is none.", "{name} 应为文本，而不是“{given}”。"),
    "problem.argument_not_list": ("{name} is a list, and “{given}” is none.", "{name} 应为列表，而不是“{given}”。"),
    "problem.argument_not_mapping": (
        "{name} is a mapping, and “{given}” is none.",
        "{name} 应为映射，而不是“{given}”。",
    ),
    "problem.argument_not_any": ("{name} cannot be empty.", "{name} 不能为空。"),
    "problem.argument_not_a_choice": (
        "{name} is one of {choices}, and “{given}” is none of them.",
        "{name} 应为 {choices} 之一，而不是“{given}”。",
    ),
    "problem.not_changeable": (
        "{given} cannot change when a run goes on; these can: {known}",
        "继续训练时不能修改 {given}；可修改：{known}",
    ),
    "error.run_is_active": ("{run} is still going on.", "{run} 仍在进行。"),
    "error.no_checkpoint": (
        "{run} has no whole checkpoint to go on from. One is written every “save_steps”, and by “Save and stop”.",
        "{run} 没有可继续的完整检查点。检查点按 save_steps 保存，“保存并停止”时也会保存。",
    ),
    "error.nothing_to_resume": (
        "{run} has reached its end at step {step}. Give it more steps or epochs to go on.",
        "{run} 已在第 {step} 步完成。如需继续，请增加步数或轮数。",
    ),
    "error.no_job": (
        "{run} was never started by the studio, so it cannot go on by it.",
        "{run} 并非由工作台启动，无法继续。",
    ),
    "problem.model_not_found": (
        "There is no folder {given}. Choose a model of the list, or give the path of a model folder.",
        "文件夹 {given} 不存在。请从列表中选择模型，或填写模型文件夹的路径。",
    ),
    "problem.weights_cut": (
        "{given} is damaged, or was not copied to its end. Copy it again.",
        "{given} 已损坏或未复制完整。请重新复制。",
    ),
    "problem.weights_do_not_fit": (
        "{given} does not belong together: its config.json says {key} {told}, its weights have {found}."
        " The engine would take it without a word. Copy config and weights from one model.",
        "{given} 的文件不匹配：config.json 中 {key} 为 {told}，权重中为 {found}。"
        "引擎不会给出任何提示。请从同一个模型复制配置与权重。",
    ),
    "problem.not_a_choice": (
        "“{given}” is not possible. Choose one of: {choices}.",
        "不支持“{given}”。可选值：{choices}。",
    ),
    "problem.not_bool": ("“{given}” is neither yes nor no.", "“{given}” 既不是“是”也不是“否”。"),
    "problem.not_int": (
        "“{given}” is not a whole number. Give one such as 16.",
        "“{given}” 不是整数。请填写类似 16 的数。",
    ),
    "problem.not_float": (
        "“{given}” is not a number. Give one such as 0.001 or 1e-3.",
        "“{given}” 不是数字。请填写类似 0.001 或 1e-3 的数。",
    ),
    "problem.not_above": (
        "{given} is too small: it must be above {minimum}.",
        "{given} 太小：必须大于 {minimum}。",
    ),
    "problem.out_of_bounds": (
        "{given} is outside of {minimum} to {maximum}.",
        "{given} 超出范围 {minimum} 到 {maximum}。",
    ),
    "problem.bad_name": (
        "“{given}” cannot be a name. Use letters, digits, “-”, “_” and “.”, beginning with a letter or digit.",
        "“{given}” 不能用作名称。请使用文字、数字、“-”、“_” 和 “.”，并以文字或数字开头。",
    ),
    "problem.bundle_versions_unrecorded": (
        "It does not say with which versions it was trained.",
        "未记录训练时的版本。",
    ),
    "problem.bundle_model_unrecorded": (
        "It does not say what the model was, beyond its name.",
        "除名称外未记录模型信息。",
    ),
    "problem.bundle_datasets_unrecorded": (
        "It does not say what the data was, beyond its names.",
        "除名称外未记录数据信息。",
    ),
    "problem.bundle_versions_missing": ("{name} {there} is not installed here.", "本机未安装 {name} {there}。"),
    "problem.bundle_versions_other": (
        "{name} is {here} here, and was {there}.",
        "{name} 本机为 {here}，原为 {there}。",
    ),
    "problem.bundle_model_missing": (
        "There is no model {name} in models/ here.",
        "本机 models/ 中没有模型 {name}。",
    ),
    "problem.bundle_model_other": (
        "The model {name} is another one here ({here}; it was {there}).",
        "模型 {name} 与原来不同（本机 {here}，原为 {there}）。",
    ),
    "problem.bundle_datasets_missing": (
        "The dataset {name} is not registered here ({there}).",
        "本机未登记数据集 {name}（{there}）。",
    ),
    "problem.bundle_datasets_other": (
        "The dataset {name} has other contents here ({here}; it was {there}).",
        "数据集 {name} 内容不同（本机 {here}，原为 {there}）。",
    ),
    "problem.sweep_not_yaml": ("This is not YAML: {reason}", "不是合法的 YAML：{reason}"),
    "problem.sweep_empty": (
        "Name at least one option with its values, such as learning_rate: [1e-4, 3e-4].",
        "请至少填写一个选项及其取值，例如 learning_rate: [1e-4, 3e-4]。",
    ),
    "problem.sweep_bad_values": (
        "Give {name} a list such as [4, 8], or a range such as {{from: 1e-5, to: 1e-3, count: 5, scale: log}}.",
        "请为 {name} 填写列表（如 [4, 8]）或范围（如 {{from: 1e-5, to: 1e-3, count: 5, scale: log}}）。",
    ),
    "problem.sweep_too_many": (
        "That would be {count} runs; between 1 and {most} can be started at once.",
        "共 {count} 个运行；一次可启动 1 至 {most} 个。",
    ),
    "problem.sweep_bad_pattern": (
        "The pattern “{given}” names something that is not varied; {{name}}, {{n}} and the varied options are known.",
        "名称模板 “{given}” 含有未知字段；可用 {{name}}、{{n}} 和被搜索的选项。",
    ),
    "problem.sweep_same_names": (
        "The pattern “{given}” gives several runs the same name; put {{n}} into it.",
        "名称模板 “{given}” 会产生重名，请加入 {{n}}。",
    ),
    "problem.sweep_no_effect": (
        "{names} changes nothing in this stage with this method; choose another method, or leave it out.",
        "{names} 在此阶段与方法下不起作用；请更换方法或去掉它。",
    ),
    "problem.sweep_bad_count": ("“{given}” is no number of runs.", "“{given}” 不是运行数量。"),
    "problem.name_taken": (
        "A run called {given} exists already. Choose another name.",
        "名为 {given} 的运行已存在。请换一个名称。",
    ),
    "problem.unknown_option": ("There is no option called {given}.", "没有名为 {given} 的选项。"),
    "problem.not_names": (
        "“{given}” is no list of module names. Give some such as qkv_proj,o_proj.",
        "“{given}” 不是模块名列表。请填写例如 qkv_proj,o_proj。",
    ),
    "problem.not_numbers": (
        "“{given}” is no list of numbers above 0. Give some such as 0.7,0.3.",
        "“{given}” 不是大于 0 的数字列表。请填写例如 0.7,0.3。",
    ),
    "problem.weights_need_mixing": (
        "With concat every row of each dataset is taken, and weights mean nothing. Choose another mixing.",
        "concat 会使用每个数据集的全部行，权重不起作用。请选择其他混合方式。",
    ),
    "problem.random_needs_steps": (
        "With random mixing an epoch has no end. Say after how many steps the run ends.",
        "随机混合没有轮次的概念。请填写训练步数。",
    ),
    "problem.weights_count": (
        "There are {count} weights for {datasets} datasets. Give one each.",
        "{datasets} 个数据集却有 {count} 个权重。请各填一个。",
    ),
    "problem.nothing_to_compare_on": (
        "No rows are held out. Choose an evaluation dataset, or hold out a share.",
        "没有留出的行。请选择评估数据集，或设置留出比例。",
    ),
    "problem.eval_twice": (
        "{given} is chosen for evaluation, so nothing is held out. Choose no evaluation set, or hold out 0.",
        "已选择 {given} 作为评估集，不再留出数据。请不选评估集，或把比例设为 0。",
    ),
    "problem.nothing_to_train": (
        "Nothing would learn. Let some layers learn, or name a module besides them.",
        "没有任何参数参与训练。请设置层数，或填写层外模块。",
    ),
    "problem.quantised_needs_lora": (
        "Weights of {given} cannot learn by themselves. Choose LoRA, or another precision.",
        "{given} 权重本身无法训练。请选择 LoRA，或更换精度。",
    ),
    "problem.nothing_held_out": (
        "No dataset has two rows, so nothing can be held out. Hold out 0.",
        "没有数据集包含两行以上，无法留出。请填 0。",
    ),
    "problem.rows_held_out": (
        "{count} of {rows} rows are held out for evaluation.",
        "{rows} 行中留出 {count} 行用于评估。",
    ),
    "problem.memory_estimate": (
        "About {total} GB of memory: weights {weights}, gradients {gradients}, optimiser {optimizer}, activations"
        " {activations}, loading and saving {copy}, the process itself {process}."
        " {trainable} of {parameters} million weights learn.",
        "约需内存 {total} GB：权重 {weights}，梯度 {gradients}，优化器 {optimizer}，激活 {activations}，"
        "加载与保存 {copy}，进程本身 {process}。{parameters} 百万参数中训练 {trainable} 百万。",
    ),
    "problem.adapter_needs_lora": (
        "Going on with an adapter needs the method lora, not {given}.",
        "继续训练适配器需要使用 lora 方法，而不是 {given}。",
    ),
    "problem.adapter_of_other_base": (
        "This adapter was trained on {expected}, not on {given}. Choose that model.",
        "该适配器基于 {expected} 训练，而不是 {given}。请选择对应的模型。",
    ),
    "problem.adapter_rules": (
        "The adapter keeps its own rank {rank}, alpha {alpha} and modules.",
        "适配器保持自身的秩 {rank}、alpha {alpha} 与模块。",
    ),
    "problem.disk_estimate": (
        "A checkpoint takes about {one} GB on the disk; with {kept} kept, the run takes up to {total} of {free} GB free.",
        "每个检查点约占磁盘 {one} GB；保留 {kept} 个时，该运行最多占用 {total} GB（剩余 {free} GB）。",
    ),
    "problem.memory_fits": (
        "{device}: {needed} GB needed, {free} GB free.",
        "{device}：需要 {needed} GB，空闲 {free} GB。",
    ),
    "problem.memory_too_small": (
        "{device}: {needed} GB needed, and only {free} GB free. See “Take less memory”.",
        "{device}：需要 {needed} GB，仅剩 {free} GB。请参见“减少内存占用”。",
    ),
    "problem.steps_mixed": (
        "{rows} rows are mixed by weights; the engine counts the steps when it starts.",
        "{rows} 行按权重混合；步数由引擎在启动时计算。",
    ),
    "problem.no_gpu": (
        "This machine has no NVIDIA GPU that the driver shows. Choose cpu.",
        "本机没有驱动可见的 NVIDIA GPU。请选择 cpu。",
    ),
    "problem.stage_needs_vision": (
        "{given} is for models that see; the config of {model} has no vision part.",
        "{given} 仅适用于视觉语言模型；{model} 的配置没有视觉部分。",
    ),
    "problem.stage_needs_gpu": ("{given} needs a GPU.", "{given} 需要 GPU。"),
    "problem.vision_freezes_parts": (
        "A model that sees is frozen by its parts, under “Images”. Choose full or lora here.",
        "视觉语言模型请在“图像”中按部分冻结；此处请选择 full 或 lora。",
    ),
    "problem.bad_changes": (
        "“{given}” is not of the form NAME: VALUE, NAME: VALUE.",
        "“{given}”不是“名称: 值, 名称: 值”的形式。",
    ),
    "problem.not_host": (
        "“{given}” is no name or address of a machine.",
        "“{given}”不是机器名或地址。",
    ),
    "problem.device_ids_count": (
        "{count} GPUs are named for {devices} devices.",
        "指定了 {count} 个 GPU，而设备数为 {devices}。",
    ),
    "problem.unknown_device": ("There is no GPU {given}; there are {known}.", "没有 GPU {given}；可用：{known}。"),
    "problem.device_named_twice": ("A GPU is named twice: {given}.", "重复指定了 GPU：{given}。"),
    "problem.too_few_gpus": (
        "{given} GPUs are asked for; this machine has {gpus}.",
        "请求 {given} 个 GPU，本机有 {gpus} 个。",
    ),
    "problem.parts_need_gpus": (
        "On a CPU the devices are copies of the model only: tensor, pipeline and sharding sizes stay as they were.",
        "CPU 上只能做数据并行：请勿设置张量、流水线与分片数。",
    ),
    "problem.parts_do_not_divide": (
        "{tensor} (tensor) × {pipeline} (pipeline) × {sharding} (sharding) does not divide {total} devices.",
        "{tensor}（张量）× {pipeline}（流水线）× {sharding}（分片）不能整除 {total} 个设备。",
    ),
    "problem.sequence_needs_tensor": (
        "Sequence parallel divides what tensor parallel GPUs share: give it at least 2 of them.",
        "序列并行需要张量并行数至少为 2。",
    ),
    "problem.machines_need_address": (
        "{machines} machines need the address by which the others reach this one.",
        "使用 {machines} 台机器时，请填写其他机器可访问的本机地址。",
    ),
    "problem.master_port_taken": (
        "Port {given} is taken on this machine. Choose another.",
        "本机端口 {given} 已被占用，请更换。",
    ),
    "problem.bf16_on_cpu": (
        "On a CPU the engine computes in float32. Choose float32.",
        "在 CPU 上引擎以 float32 计算。请选择 float32。",
    ),
    "problem.key_is_an_option": (
        "{given} has a field of its own on this page. Set it there.",
        "{given} 在本页有专门的输入框，请在那里设置。",
    ),
    "problem.key_is_reserved": (
        "{given} is set by the studio itself and cannot be given here.",
        "{given} 由工作台自行设置，不能在这里填写。",
    ),
    "problem.key_is_a_secret": (
        "{given} is or holds a secret, which would stand in the run's files, its preview and its bundle. Leave it out;"
        " a service such as Weights & Biases finds who you are by its own login (“wandb login” in a terminal).",
        "{given} 是密钥或含有密钥，会写入运行的文件、预览和打包文件。请删去它；Weights & Biases 等服务请用其自身的"
        "登录方式（在终端运行“wandb login”）。",
    ),
    "problem.bad_yaml": ("This is not a YAML mapping: {reason}", "这不是 YAML 键值：{reason}"),
    "problem.disk_too_small": (
        "The disk has {free} GB free and the run may need {needed} GB. Make room first.",
        "磁盘剩余 {free} GB，而此运行可能需要 {needed} GB。请先腾出空间。",
    ),
    "problem.no_dataset": ("Choose at least one dataset.", "请至少选择一个数据集。"),
    # Why a job ended.
    "error.request_refused": ("{count} things to fix before the start.", "开始前有 {count} 处需要修正。"),
    "error.unknown_run": ("There is no run {given}. Known: {known}.", "没有运行 {given}。已有：{known}。"),
    "error.run_is_needed": (
        "{by} needs {run}; it can go when that has ended.",
        "{by} 正在使用 {run}，结束后才能删除。",
    ),
    "error.unknown_trash": ("That is no longer in the trash ({given}).", "回收站中已没有它（{given}）。"),
    "error.name_is_taken": (
        "There is a run named {given} by now; rename or delete that first.",
        "已有名为 {given} 的运行，请先处理它。",
    ),
    "error.bad_webhook": (
        "That is no web address. Give the whole of it, from https on.",
        "网址无效，请填写以 https 开头的完整网址。",
    ),
    "error.no_webhook": ("No address is kept yet.", "尚未保存地址。"),
    "error.webhook_failed": ("The address did not take the message: {reason}", "该地址未接受消息：{reason}"),
    "error.bad_bundle": ("{given} is no bundle of a run.", "{given} 不是运行的复现包。"),
    "error.nothing_logged": ("Nothing was logged yet.", "还没有日志。"),
    "error.unknown_log": ("There is no log “{given}”; there are: {known}.", "没有日志 “{given}”，现有：{known}。"),
    "error.unknown_checkpoint": (
        "There is no checkpoint {given}. Known: {known}.",
        "没有检查点 {given}。已有：{known}。",
    ),
    "error.run_has_ended": ("{run} has ended already ({state}).", "{run} 已经结束（{state}）。"),
    "error.broken_run": (
        "The run {run} cannot be shown: {path} is broken. Its other files are as they were.",
        "无法显示运行 {run}：{path} 已损坏。其余文件保持原样。",
    ),
    "error.disk_full": ("The disk is full: {path} could not be written.", "磁盘已满：无法写入 {path}。"),
    "error.write_failed": ("{path} could not be written: {reason}.", "无法写入 {path}：{reason}。"),
    "error.demo_model_failed": ("The demo model could not be made: {reason}", "无法生成演示模型：{reason}"),
    "error.cannot_start": ("{command} could not be started: {reason}.", "无法启动 {command}：{reason}。"),
    "error.no_model": ("Choose a model.", "请选择一个模型。"),
    "error.model_not_found": (
        "There is no model, run or folder {given}.",
        "没有名为 {given} 的模型、运行或文件夹。",
    ),
    "error.not_a_model": (
        "{given} is not a model folder: it lacks {missing}.",
        "{given} 不是模型文件夹：缺少 {missing}。",
    ),
    "error.not_an_adapter": ("{given} is not a LoRA adapter.", "{given} 不是 LoRA 适配器。"),
    "error.adapter_without_base": (
        "{given} is a LoRA adapter. Choose its base as the model and add it as an adapter.",
        "{given} 是 LoRA 适配器。请选择其基座为模型，并把它加为适配器。",
    ),
    "error.adapter_of_other_base": (
        "The adapter {adapter} was trained on {expected}, not on {given}.",
        "适配器 {adapter} 基于 {expected} 训练，而不是 {given}。",
    ),
    "error.broken_weights": (
        "The weights in {path} cannot be read: {reason}",
        "无法读取 {path} 中的权重：{reason}",
    ),
    "error.model_load_failed": ("The model could not be loaded: {reason}", "无法加载模型：{reason}"),
    "error.model_load_timeout": (
        "The model did not load within {seconds} s.",
        "模型在 {seconds} 秒内未加载完成。",
    ),
    "error.server_ended": ("The server has ended.", "服务已结束。"),
    "error.not_a_lora_run": (
        "{run} holds no LoRA adapter, so there is nothing to merge; a full run is a model already.",
        "{run} 没有 LoRA 适配器，无需合并；全参运行本身就是模型。",
    ),
    "error.target_taken": ("{given} exists already. Choose another name.", "{given} 已存在。请换一个名称。"),
    "error.export_is_running": ("An export to {given} is running already.", "到 {given} 的导出正在进行。"),
    "error.bad_target": (
        "“{given}” cannot be a target. Give a name, or an absolute path.",
        "“{given}” 不能作为目标。请填写名称或绝对路径。",
    ),
    "error.visualdl_failed": ("VisualDL could not be started: {reason}", "无法启动 VisualDL：{reason}"),
    "error.bad_config": ("{given} cannot be read as a config: {reason}", "无法把 {given} 读作配置：{reason}"),
    "error.bad_key": ("“{given}” is not KEY=VALUE.", "“{given}” 不是 KEY=VALUE 的形式。"),
    "error.port_taken": (
        "Port {port} is in use. Choose another with --port.",
        "端口 {port} 已被占用，请用 --port 换一个。",
    ),
    "error.interrupted": ("Interrupted.", "已中断。"),
}
