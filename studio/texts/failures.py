"""Why a run failed, stopped or was lost, and what to do about it."""

TEXTS: dict[str, tuple[str, str]] = {
    "problem.engine_error": ("The engine stopped with: {reason}", "引擎因错误停止：{reason}"),
    "problem.engine_failed": (
        "The engine ended with exit status {exit_code}. Its log says more.",
        "引擎以状态 {exit_code} 退出，详情见日志。",
    ),
    "problem.killed": (
        "The process was killed by {signal}. If nobody did that, the machine may have run out of memory.",
        "进程被信号 {signal} 终止。若非人为，可能是机器内存不足。",
    ),
    "problem.killed_for_memory": (
        "The machine ran out of memory, and its kernel killed the run. Let it work on fewer rows at once.",
        "机器内存耗尽，内核终止了运行。请减少每批行数。",
    ),
    "problem.out_of_memory": (
        "There was not enough memory for a step ({reason}). Let it work on fewer or shorter rows at once.",
        "内存不足以完成一步训练（{reason}）。请减少每批行数或缩短序列。",
    ),
    "problem.gpu_out_of_memory": (
        "GPU {device} had not enough memory: {given} more were asked for, and {known} were free. Let it work on fewer or shorter rows at once, or end what else uses this GPU.",
        "GPU {device} 显存不足：还需要 {given}，仅剩 {known}。请减少每批行数或缩短序列，或结束占用该 GPU 的其他程序。",
    ),
    "problem.disk_full": (
        "The disk is full. Free some space, then run it again; it goes on from its newest checkpoint.",
        "磁盘已满。请清理空间后再次运行，将从最新检查点继续。",
    ),
    "problem.file_too_large": (
        "The system allows no file of this size. Raise the limit (ulimit -f), or write to another disk.",
        "系统不允许写入这么大的文件。请提高限制（ulimit -f），或换一块磁盘。",
    ),
    "problem.output_unusable": (
        "The run's folder cannot be written: {given} is a file.",
        "无法写入运行目录：{given} 是一个文件。",
    ),
    "problem.not_a_number": (
        "The loss or the weights became infinite or no number at all: the steps were too large."
        " Lower the learning rate.",
        "损失或权重变成无穷大或非数值：步长过大。请降低学习率。",
    ),
    "problem.loss_spike": (
        "At step {step} the loss jumped to {loss} from about {usual}, so the run was stopped. Lower the learning rate.",
        "第 {step} 步的损失由约 {usual} 跳到 {loss}，运行已停止。请降低学习率。",
    ),
    "problem.no_improvement": (
        "{count} evaluations in a row brought nothing. The best was {loss} at step {best}, kept as a checkpoint.",
        "连续 {count} 次评估没有改善。最佳为第 {best} 步的 {loss}，已保留为检查点。",
    ),
    "problem.disk_low": (
        "Only {free} GB are free, so the run has saved a checkpoint and stopped. Free some space, then resume it.",
        "磁盘仅剩 {free} GB，运行已保存检查点并停止。请清理空间后继续。",
    ),
    "problem.silent": (
        "The engine said nothing for {minutes} minutes, so it was stopped. It may hang on data it cannot use.",
        "引擎 {minutes} 分钟没有任何输出，已被停止，可能卡在无法使用的数据上。",
    ),
    "problem.unknown_key": (
        "The engine does not know the argument {given}. Take it out.",
        "引擎不认识参数 {given}，请去掉。",
    ),
    "problem.text_for_a_number": (
        "The engine wants a number as the {given} and was given text; YAML reads 1e-3 as text, so write 0.001.",
        "引擎要求 {given} 为数字，得到的却是文本；YAML 会把 1e-3 当作文本，请写 0.001。",
    ),
    "problem.unknown_task": (
        "The engine knows no stage {given}. It is PT, SFT or DPO, in capitals.",
        "引擎没有 {given} 阶段。应为大写的 PT、SFT 或 DPO。",
    ),
    "problem.unknown_precision": (
        "The engine cannot compute in {given}. Choose float32, or bf16 on a GPU.",
        "引擎不支持 {given} 精度。请选择 float32，GPU 上可选 bf16。",
    ),
    "problem.unknown_loss": (
        "The engine has no preference loss {given}. Choose another, such as sigmoid.",
        "引擎没有偏好损失 {given}。请更换，例如 sigmoid。",
    ),
    "problem.unknown_template": (
        "The engine has no template {given}. Without that argument it takes the one of the model's tokenizer.",
        "引擎没有模板 {given}。去掉该参数即使用模型分词器自带的模板。",
    ),
    "problem.unknown_optimizer": (
        "The engine has no optimiser {given}. There are {known}.",
        "引擎没有优化器 {given}。可选：{known}。",
    ),
    "problem.unknown_scheduler": (
        "The engine has no learning rate schedule {given}. There are {known}.",
        "引擎没有学习率调度 {given}。可选：{known}。",
    ),
    "problem.model_gone": (
        "There is no model folder {given} any more. Choose another model.",
        "模型目录 {given} 已不存在。请选择其他模型。",
    ),
    "problem.weights_missing": (
        "The model folder holds no weights (nothing was found for {given}). Copy its safetensors files there.",
        "模型目录中没有权重（缺少 {given}）。请补齐 safetensors 文件。",
    ),
    "problem.weights_broken": (
        "A weight file of the model is damaged or was not copied to its end ({reason}). Copy it again.",
        "模型权重文件已损坏或未复制完整（{reason}）。请重新复制。",
    ),
    "problem.config_broken": (
        "{given} is damaged: it is no JSON. Copy it again.",
        "{given} 已损坏，不是有效的 JSON。请重新复制。",
    ),
    "problem.config_missing": (
        "The model folder {given} has no config.json. Copy it there.",
        "模型目录 {given} 中没有 config.json。请补齐。",
    ),
    "problem.architecture_unknown": (
        "The engine does not know models of the kind {given}. Choose another model.",
        "引擎不支持 {given} 类型的模型。请更换模型。",
    ),
    "problem.needs_paddlefleet": (
        "Models of this kind need {given}, which runs on GPU machines only. Choose a dense model, or train there.",
        "此类模型需要 {given}，只能在 GPU 机器上运行。请选择稠密模型，或换用 GPU 机器。",
    ),
    "problem.module_missing": (
        "A Python package of the engine cannot be imported: {reason}. Run make setup again.",
        "无法导入引擎依赖的 Python 包：{reason}。请重新执行 make setup。",
    ),
    "error.pickle_refused": (
        "The model came with a pickle that names {given}. A pickle runs what it names: this one could do anything that"
        " you may do on this machine. Nothing of it ran. Take the model from somebody you trust, without that file; who"
        " trusts every model here starts the studio with --trust-pickles.",
        "模型附带的 pickle 文件引用了 {given}。加载 pickle 会执行其引用的内容，可以做你在本机能做的任何事。它没有被执行。"
        "请从可信来源重新获取模型，并去掉该文件；如果信任这里的所有模型，可用 --trust-pickles 启动工作台。",
    ),
    "error.weights_pickled": (
        "{given} keeps its weights as pickles ({names}). A pickle runs what it names when it is read, and could do anything"
        " that you may do on this machine, so models are loaded from safetensors only. Take the model's safetensors edition.",
        "{given} 的权重是 pickle 文件（{names}）。读取 pickle 会执行其引用的内容，可以做你在本机能做的任何事，因此工作台只从 safetensors"
        " 加载模型。请改用该模型的 safetensors 版本。",
    ),
    "problem.tokenizer_missing": (
        "The model folder has no tokenizer. Copy its tokenizer files there.",
        "模型目录中没有分词器。请补齐分词器文件。",
    ),
    "problem.tokenizer_too_large": (
        "The tokenizer makes token {given}, and the model knows {known} only: they do not belong together.",
        "分词器产生了编号为 {given} 的 token，而模型只有 {known} 个：二者不匹配。",
    ),
    "problem.data_empty": (
        "The engine found no row that it can train on. Look at the dataset as the model sees it.",
        "引擎没有找到可训练的数据行。请以“模型所见”查看数据集。",
    ),
    "problem.data_gone": (
        "The data file {given} is gone. Start the run anew; that writes it again.",
        "数据文件 {given} 已不存在。请重新开始训练，文件会重新生成。",
    ),
    "problem.paths_differ": (
        "The lists of data files, their types and their weights differ in length.",
        "数据文件、类型与权重的数量不一致。",
    ),
    "problem.no_such_module": (
        "The model has no module {given}. There are {known}.",
        "模型没有模块 {given}。可选：{known}。",
    ),
    "problem.adapter_gone": (
        "There is no adapter in {given}. Choose another, or start from the base model.",
        "{given} 中没有适配器。请更换，或从基座模型开始。",
    ),
    "problem.gpu_build_missing": (
        "This PaddlePaddle is made for CPUs. Train on the CPU, or install requirements-gpu.txt.",
        "当前安装的是 CPU 版 PaddlePaddle。请用 CPU 训练，或安装 requirements-gpu.txt。",
    ),
    "problem.attention_needs_gpu": (
        "The attention that was asked for exists on GPUs only. Leave the choice to the studio.",
        "所选的注意力实现只能在 GPU 上使用。请交由系统选择。",
    ),
    "problem.kernel_missing": (
        "This PaddlePaddle has no {given} for this device. Train such a model on a GPU.",
        "当前 PaddlePaddle 在此设备上没有 {given} 算子。请在 GPU 上训练此类模型。",
    ),
    "problem.checkpoint_torn": (
        "The checkpoint in {given} was not written to its end. The run can go on from an older one.",
        "{given} 中的检查点未写完。可从更早的检查点继续。",
    ),
    "problem.strategies_differ": (
        "To load the best model at the end, evaluating and saving must go together; the engine does not load it anyway.",
        "最后加载最优模型要求评估与保存同步；引擎实际上也不会加载。",
    ),
    "problem.hook_gone": (
        "The studio's own file {given} is gone: it was moved while a run was being started. Start it anew.",
        "工作台自身的文件 {given} 不见了（启动期间被移动）。请重新开始。",
    ),
    "problem.nothing_written": (
        "The engine ended without an error but did not write {path}.",
        "引擎没有报错，但没有写出 {path}。",
    ),
    "problem.log_flood": (
        "The engine wrote more than {limit} of log and was stopped.",
        "引擎写出的日志超过 {limit}，已被停止。",
    ),
    "problem.lost": (
        "The run was cut off: its processes are gone without having said why (a reboot, or a kill).",
        "运行被中断：其进程已消失且未留下原因（重启或被终止）。",
    ),
    "problem.unknown_cause": (
        "Another version of the studio has kept why this run ended ({given}), and this one has no words for it. The log"
        " says more.",
        "该运行的结束原因由其他版本的工作台记录（{given}），当前版本无法解释。详情见日志。",
    ),
    # Errors.
}
