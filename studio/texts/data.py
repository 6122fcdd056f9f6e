"""Datasets: what is wrong with a file, an entry or a row, and what would be right."""

TEXTS: dict[str, tuple[str, str]] = {
    # A row.
    "fault.missing": ("the field is missing", "缺少该字段"),
    "fault.empty": ("the field is empty", "该字段为空"),
    "fault.not_text": ("it should be text, and is {given}", "应为文本，实际为 {given}"),
    "fault.media_count": (
        "it names {given} files, and the turns have {marks} marks {mark}",
        "列出 {given} 个文件，而对话中有 {marks} 个 {mark} 标记",
    ),
    "fault.media_missing": ("there is no file {path}", "文件 {path} 不存在"),
    "fault.not_a_list": ("it should be a list, and is {given}", "应为列表，实际为 {given}"),
    "fault.not_an_object": ("it should be an object with fields, and is {given}", "应为对象，实际为 {given}"),
    "fault.not_a_pair": ("it should be a pair of two", "应为两个一组"),
    "fault.not_a_switch": (
        "it should be true or false, and is {given}",
        "应为 true 或 false，实际为 {given}",
    ),
    "fault.not_a_ranking": (
        "it should be two different numbers, and is {given}",
        "应为两个不同的数，实际为 {given}",
    ),
    "fault.not_as_many": (
        "it should have {wanted} entries, and has {given}",
        "应有 {wanted} 项，实际有 {given}",
    ),
    "fault.nothing_to_learn": (
        "every answer is switched off, so nothing is learnt",
        "所有回答都被屏蔽，学不到内容",
    ),
    "fault.unknown_role": ("the role “{given}” is not one of: {known}", "角色“{given}”不在：{known}"),
    "fault.system_not_first": ("a system turn stands behind the first", "system 只能在第一条"),
    "fault.roles_out_of_order": (
        "question and answer do not take turns: number {position} is {given}",
        "问答没有交替：第 {position} 条是 {given}",
    ),
    "fault.no_answer": ("the conversation does not end with an answer", "对话没有以回答结束"),
    "fault.no_question": ("the conversation does not end with a question", "对话没有以提问结束"),
    "fault.not_an_answer": (
        "it should be an answer, or answers with questions between them",
        "应为一条回答，或以提问相隔的多条回答",
    ),
    "fault.same_as_chosen": (
        "both answers are the same, so there is nothing to prefer",
        "两个回答相同，无从比较",
    ),
    "fault.bad_json": ("it is not valid JSON: {reason}", "不是合法的 JSON：{reason}"),
    "fault.bad_csv": ("it is not valid CSV: {reason}", "不是合法的 CSV：{reason}"),
    "fault.bad_encoding": ("the text cannot be decoded at byte {position}", "第 {position} 字节处无法解码"),
    "fault.too_many_columns": ("there are more values than column names", "值的数量多于列名"),
    "fault.not_rows": (
        "the file should hold a list of rows, and holds {given}",
        "文件应为行的列表，实际为 {given}",
    ),
    # A dataset that stands in the way of a run.
    "problem.dataset_empty": ("{given} has no rows.", "{given} 没有数据行。"),
    "problem.dataset_wrong_stage": (
        "{given} ({format}) does not fit {stage}; it fits: {fits}.",
        "{given}（{format}）不适合 {stage}；适合：{fits}。",
    ),
    "problem.dataset_faulty": (
        "{name} has {count} faulty rows of {rows}. The first: {file}, line {line}, field {field_name}: {reason}."
        " Mend them, or choose to leave faulty rows out.",
        "{name} 的 {rows} 行中有 {count} 行错误。第一处：{file} 第 {line} 行，字段 {field_name}：{reason}。"
        "请修正，或选择去除错误行。",
    ),
    "problem.rows_dropped": (
        "{count} faulty rows of {name} are left out; {left} of {rows} are trained on.",
        "将去除 {name} 的 {count} 行错误数据；{rows} 行中有 {left} 行参与训练。",
    ),
    "problem.steps_planned": (
        "{steps} steps: {rows} rows, {epochs} times.",
        "共 {steps} 步：{rows} 行，训练 {epochs} 轮。",
    ),
    "problem.steps_given": ("{steps} steps on {rows} rows.", "共 {steps} 步，{rows} 行。"),
    "problem.steps_at_most": (
        "At most {steps} steps: {rows} rows, {epochs} times, several packed into one.",
        "最多 {steps} 步：{rows} 行，训练 {epochs} 轮，多行打包为一行。",
    ),
    "problem.mapping_no_object": (
        'it should be an object such as {{"prompt": "question"}}, and is {given}',
        '应为对象，例如 {{"prompt": "question"}}，实际为 {given}',
    ),
    "problem.mapping_unknown_role": (
        "“{given}” is not one of: {known}",
        "“{given}”不在：{known}",
    ),
    "problem.mapping_no_column": (
        "“{given}” needs the name of a column or tag",
        "“{given}”需要列名或标签名",
    ),
    "problem.mapping_no_switch": (
        "it should be true or false, and is {given}",
        "应为 true 或 false，实际为 {given}",
    ),
    "problem.mapping_unknown_key": (
        "“{given}” is no part of a mapping; formatting, columns, tags and ranking are",
        "“{given}”不属于映射；可用 formatting、columns、tags、ranking",
    ),
    "problem.mapping_not_json": (
        "The mapping is not valid JSON: {reason}",
        "映射不是合法的 JSON：{reason}",
    ),
    "problem.unknown_file_kind": ("{given} is none of {known}.", "{given} 不属于 {known}。"),
    # Errors.
    "error.unknown_dataset": (
        "No dataset is called {given}. Registered: {known}.",
        "没有名为 {given} 的数据集。已注册：{known}。",
    ),
    "error.dataset_file_missing": (
        "The file of {given} is gone: {path}.",
        "{given} 的文件已不存在：{path}。",
    ),
    "error.dataset_taken": ("A dataset called {given} exists already.", "名为 {given} 的数据集已存在。"),
    "error.dataset_needed": (
        "The waiting run {run} needs {given}. Let it start, or stop it first.",
        "排队中的运行 {run} 需要 {given}。请等它开始，或先停止它。",
    ),
    "error.not_ours_to_delete": (
        "{path} lies outside of data/ or belongs to another dataset too, so it is not deleted."
        " Remove the entry alone.",
        "{path} 位于 data/ 之外或也属于其他数据集，不会被删除。请只移除条目。",
    ),
    "error.no_length_limit": (
        "To leave out rows that are too long, give a maximum length (max_seq_len).",
        "要去除过长的行，请给出最大长度（max_seq_len）。",
    ),
    "error.bad_length": (
        "“{given}” is no length. Give a whole number of tokens such as 512.",
        "“{given}” 不是有效长度。请填写 token 数，例如 512。",
    ),
    "error.encoder_failed": (
        "The tokenizer of this model cannot be used: {reason}.",
        "无法使用该模型的分词器：{reason}。",
    ),
    "error.bad_preset_name": (
        "“{given}” cannot be a preset's name. Use up to 60 letters, digits, spaces, dots and dashes.",
        "“{given}” 不能作为预设名称。请使用不超过 60 个字母、数字、空格、点或短横。",
    ),
    "error.preset_is_shipped": (
        "{given} comes with the studio. Save your settings under another name.",
        "{given} 是内置预设。请换一个名称保存。",
    ),
    "error.unknown_preset": (
        "There is no preset of your own called “{given}”. There are: {known}.",
        "没有名为“{given}”的自定义预设。已有：{known}。",
    ),
    "error.bad_cpu_runs": ("{given} is no number from 1 to {most}.", "{given} 不是 1 到 {most} 的整数。"),
    "error.not_queued": ("{run} does not wait in the queue.", "{run} 不在队列中。"),
    "error.no_remedy": (
        "The studio knows no change that would help here. Use its settings, change them, and start again.",
        "没有可自动应用的修改。请沿用其设置，修改后重新开始。",
    ),
    "error.measuring_failed": ("Measuring ended before its end: {reason}.", "统计未完成即结束：{reason}。"),
    "error.changed_meanwhile": (
        "{given} or its model was changed while it was measured. Measure it again.",
        "统计期间 {given} 或模型发生了变化，请重新统计。",
    ),
    "error.nothing_to_inspect": ("Upload a file or give a path first.", "请先上传文件或填写路径。"),
    "error.outside_roots": (
        "{given} lies outside of the folders that the page may read ({roots})."
        " Start the studio with --allow-path to allow another.",
        "{given} 不在页面可读的目录内（{roots}）。如需其他目录，请用 --allow-path 启动。",
    ),
    "error.unpacks_to_too_much": (
        "{given} unpacks to far more than a data file of its size does. It was not read. If it is right as it is, "
        "unpack it or save it as JSON lines, and register that.",
        "{given} 解压后的内容远多于同样大小的正常数据文件，未读取。若内容确实无误，请先自行解压，或另存为 JSON Lines，"
        "再注册新的文件。",
    ),
    "fault.row_too_large": (
        "The row is larger than {most} bytes or has too many values",
        "该行超过 {most} 字节，或所含的值过多",
    ),
    "fault.too_wide": ("{given} columns; at most {most} are read", "共 {given} 列；最多读取 {most} 列"),
    "error.bad_path": ("“{given}” cannot be a path.", "“{given}” 不能用作路径。"),
    "error.empty_folder": (
        "The folder {given} holds no data file ({known}).",
        "文件夹 {given} 中没有数据文件（{known}）。",
    ),
    "error.bad_dataset_name": (
        "“{given}” cannot be a name. Use letters, digits, “-”, “_” and “.”.",
        "“{given}” 不能用作名称。请使用文字、数字、“-”、“_” 和 “.”。",
    ),
    "error.data_file_taken": (
        "data/{given} exists already. Choose another name.",
        "data/{given} 已存在。请换一个名称。",
    ),
    "error.no_such_file": ("There is no file {given}.", "文件 {given} 不存在。"),
    "error.unreadable_file": ("{given} cannot be read: {reason}.", "无法读取 {given}：{reason}。"),
    "error.empty_file": ("{given} has no rows.", "{given} 没有数据行。"),
    "error.no_rows": (
        "{given} has no readable row. Line {line}: {reason}.",
        "{given} 没有可读的行。第 {line} 行：{reason}。",
    ),
    "error.unknown_format": (
        "{given} has columns of no known format: {columns}.",
        "{given} 的列不属于任何已知格式：{columns}。",
    ),
    "error.unknown_encoding": (
        "{given} is neither UTF-8 nor GB18030.",
        "{given} 既不是 UTF-8 也不是 GB18030。",
    ),
    "error.unknown_file_kind": (
        "{given} is of a kind that is not read. Readable: {known}, each also with .gz.",
        "不支持 {given} 的类型。可读：{known}，均可加 .gz。",
    ),
    "error.bad_page_size": (
        "{given} rows a page are not possible; give 1 to 1000.",
        "每页 {given} 行不可行；请用 1 到 1000。",
    ),
    "error.broken_registry": (
        "{path} cannot be read ({reason}). Mend or move it; nothing was changed.",
        "无法读取 {path}（{reason}）。请修复或移走它；没有改动任何内容。",
    ),
    "error.faulty_row": (
        "{name} has a faulty row: {file}, line {line}, field {field_name}: {reason}.",
        "{name} 有错误的行：{file} 第 {line} 行，字段 {field_name}：{reason}。",
    ),
    "error.unknown_finding": (
        "There is no finding called {given}. Known: {known}.",
        "没有名为 {given} 的检查项。可选：{known}。",
    ),
    "error.unknown_target": ("{given} is not one of {known}.", "{given} 不属于 {known}。"),
    "error.bad_share": (
        "{given} is no share. Give a number between 0 and 1, such as 0.1.",
        "{given} 不是有效比例。请填写 0 到 1 之间的数，例如 0.1。",
    ),
    "error.too_few_rows": (
        "A share of {share} of {rows} rows leaves one side empty.",
        "{rows} 行的 {share} 会使其中一份为空。",
    ),
    "error.nothing_left": ("No row of {given} would be left.", "{given} 将不剩任何行。"),
    # A pipeline.
    "problem.pipeline_no_mapping": (
        "it should be a mapping of keys, and is {given}",
        "应为键值映射，实际为 {given}",
    ),
    "problem.pipeline_no_list": ("it should be a list, and is {given}", "应为列表，实际为 {given}"),
    "problem.pipeline_unknown": ("“{given}” is not one of: {known}", "“{given}”不在：{known}"),
    "problem.pipeline_missing": ("it is missing", "缺少该项"),
    "problem.pipeline_no_sources": (
        "name at least one dataset, as in: sources: [{{dataset: NAME}}]",
        "请至少给出一个数据集，例如 sources: [{{dataset: NAME}}]",
    ),
    "problem.pipeline_no_dataset": (
        "it should name a dataset, as in: {{dataset: NAME}}",
        "应给出数据集，例如 {{dataset: NAME}}",
    ),
    "problem.pipeline_not_weight": (
        "a weight is a number above 0 and up to 100, and this is {given}",
        "权重应大于 0 且不超过 100，实际为 {given}",
    ),
    "problem.pipeline_not_a_step": ("a step has one name of: {known}", "每个步骤应为其中之一：{known}"),
    "problem.pipeline_not_count": (
        "it should be a whole number from {least} on, and is {given}",
        "应为不小于 {least} 的整数，实际为 {given}",
    ),
    "problem.pipeline_not_share": (
        "it should be a number above 0 and up to 1, and is {given}",
        "应大于 0 且不超过 1，实际为 {given}",
    ),
    "problem.pipeline_not_switch": (
        "it should be true or false, and is {given}",
        "应为 true 或 false，实际为 {given}",
    ),
    "problem.pipeline_not_part": (
        "it should be prompt, response or total, and is {given}",
        "应为 prompt、response 或 total，实际为 {given}",
    ),
    "problem.pipeline_not_text": ("it should be text, and is {given}", "应为文本，实际为 {given}"),
    "problem.pipeline_not_texts": ("it should be a list of texts, and is {given}", "应为文本列表，实际为 {given}"),
    "problem.pipeline_not_form": (
        "it should be text in which braces name question or context only, and is {given}",
        "应为文本，花括号内只能是 question 或 context，实际为 {given}",
    ),
    "problem.pipeline_not_forms": (
        "it should be a list of texts, each with {{question}} in it, and is {given}",
        "应为文本列表，每项都含 {{question}}，实际为 {given}",
    ),
    "problem.pipeline_not_words": (
        "it should name for each word a list of others, and is {given}",
        "应为每个词给出替换词列表，实际为 {given}",
    ),
    "problem.pipeline_not_findings": (
        "it should be a list of kinds of finding, and is {given}",
        "应为问题种类列表，实际为 {given}",
    ),
    "problem.pipeline_not_parts": (
        "it should name parts with shares that make 1 together, as in {{train: 0.9, test: 0.1}}, and is {given}",
        "应给出各部分比例且总和为 1，例如 {{train: 0.9, test: 0.1}}，实际为 {given}",
    ),
    "problem.pipeline_min_above_max": ("min ({min}) is above max ({max})", "min（{min}）大于 max（{max}）"),
    # What the data doctor finds.
    "finding.length": ("outside of the length limits", "超出长度范围"),
    "finding.banned": ("with a banned phrase", "含禁用短语"),
    "finding.faulty": ("cannot be trained on", "无法用于训练"),
    "finding.duplicate": ("seen before, word for word", "与前面的行完全重复"),
    "finding.near_duplicate": ("seen before, almost word for word", "与前文几乎相同"),
    "finding.too_long": ("longer than the length limit", "超过长度限制"),
    "finding.answer_cut": ("whole answer beyond the length limit", "回答完全超出长度限制"),
    "finding.leak": ("question of the evaluation set", "评估集中的问题"),
    "finding.short_answer": ("answer of one character", "回答只有一个字符"),
    "finding.email": ("e-mail address", "电子邮箱地址"),
    "finding.mobile": ("Chinese mobile number", "手机号码"),
    "finding.identity": ("Chinese identity number", "身份证号码"),
    "finding.no_turns": ("plain text, no conversation", "纯文本，不是对话"),
    "finding.no_text": ("a conversation, no plain text", "对话，不是纯文本"),
    "finding.has_media": (
        "images or other files, for which the format has no place",
        "含图像等文件，目标格式无法表达",
    ),
    "finding.has_tools": ("tool calls, for which the format has no place", "含工具调用，目标格式无法表达"),
    "finding.has_labels": ("a label, for which the format has no place", "含标签，目标格式无法表达"),
    "finding.has_masked_answers": (
        "masked answers, for which the format has no place",
        "含被屏蔽的回答，目标格式无法表达",
    ),
    "finding.long_answers": (
        "answers of several turns, for which the format has no place",
        "回答含多轮，目标格式无法表达",
    ),
    # Names of formats.
    "format.alpaca": ("Alpaca (instruction, input, output)", "Alpaca（instruction、input、output）"),
    "format.sharegpt": ("ShareGPT conversations", "ShareGPT 对话"),
    "format.messages": ("OpenAI messages", "OpenAI messages"),
    "format.erniekit_sft": ("ERNIEKit SFT (src, tgt)", "ERNIEKit SFT（src、tgt）"),
    "format.erniekit_dpo": ("ERNIEKit DPO (response, sort)", "ERNIEKit DPO（response、sort）"),
    "format.preference": ("Preference pairs (chosen, rejected)", "偏好对（chosen、rejected）"),
    "format.kto": ("KTO labels", "KTO 标签"),
    "format.text": ("Plain text", "纯文本"),
}
