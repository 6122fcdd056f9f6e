"""What is tried, in both languages, for the table in the documentation: attack, place, what held."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tried:
    """A row of the table; each text as (English, Chinese)."""

    attack: tuple[str, str]
    place: tuple[str, str]
    held: tuple[str, str]


SECRETS = ("secrets left behind", "密钥泄漏")
PATHS = ("paths that lead out", "越界路径")
BOMBS = ("bombs", "炸弹文件")
PROCESSES = ("commands and code smuggled in", "命令与代码注入")
CALLS = ("calls into the network behind", "对内部网络的请求伪造（SSRF）")
REFUSED = ("refused, nothing read or written", "被拒绝，未读写任何文件")

TRIED: dict[str, Tried] = {
    "paths.register": Tried(PATHS, ("a dataset's path on the page", "页面上的数据集路径"), REFUSED),
    "paths.registry": Tried(PATHS, ("`file_name` in the registry", "注册表中的 `file_name`"), REFUSED),
    "paths.delete": Tried(
        PATHS, ("deleting a dataset's file", "删除数据集文件"), ("nothing deleted", "未删除任何文件")
    ),
    "paths.model": Tried(PATHS, ("the model of a run", "运行的模型"), REFUSED),
    "paths.adapter": Tried(PATHS, ("the adapter of a run", "运行的适配器"), REFUSED),
    "paths.extra": Tried(PATHS, ("further engine arguments", "更多引擎参数"), REFUSED),
    "paths.settings": Tried(PATHS, ("settings from a file", "导入的配置文件"), REFUSED),
    "paths.bundle": Tried(
        PATHS,
        ("the model in a run's bundle", "运行打包文件中的模型"),
        ("only its last name counts, in `models/`", "只取末级名称，且只在 `models/` 中查找"),
    ),
    "paths.chat": Tried(PATHS, ("models and adapters to load", "要加载的模型与适配器"), REFUSED),
    "paths.base": Tried(PATHS, ("the base that an adapter names", "适配器所写的基础模型"), REFUSED),
    "paths.target": Tried(PATHS, ("the target of an export", "导出的目标"), REFUSED),
    "paths.merge": Tried(PATHS, ("adapters to merge", "要合并的适配器"), REFUSED),
    "paths.proof": Tried(PATHS, ("folders to prove", "要验证的目录"), REFUSED),
    "paths.hand_on": Tried(PATHS, ("a model to pack, push or describe", "要打包、发布或编辑说明的模型"), REFUSED),
    "paths.names": Tried(
        PATHS,
        (
            "new names of datasets, runs, presets, talks, batches, servers",
            "数据集、运行、预设、对话、批量任务、服务的新名称",
        ),
        ("refused, or a plain name within the home", "被拒绝，或仅作为主目录内的普通名称"),
    ),
    "paths.routes": Tried(
        PATHS, ("names in the studio's own routes", "工作台自身路由中的名称"), ("404 or 422", "404 或 422")
    ),
    "paths.files": Tried(PATHS, ("Gradio's file routes", "Gradio 的文件路由"), ("403 or 404", "403 或 404")),
    "paths.upload": Tried(
        PATHS,
        ("names of uploaded files", "上传文件名"),
        ("refused, or kept under a plain name in the upload folder", "被拒绝，或以普通名称存入上传目录"),
    ),
    "reach.endpoint": Tried(
        CALLS,
        ("a server named on a page that is open to others", "对他人开放的页面上填写的服务"),
        ("not called", "不发起访问"),
    ),
    "reach.metadata": Tried(
        CALLS,
        (
            "a server named on a page of this machine: addresses of links and of clouds' keys",
            "仅本机可用的页面上填写的服务：链路本地地址与云平台密钥地址",
        ),
        ("not called", "不发起访问"),
    ),
    "reach.rebinding": Tried(
        CALLS,
        ("a name that stands for another address a moment later", "随后指向另一地址的域名"),
        ("looked up once, called where it was checked", "只解析一次，访问的就是检查过的地址"),
    ),
    "reach.redirect": Tried(
        CALLS,
        ("redirects of an allowed server", "被允许的服务发出的重定向"),
        ("not followed out of reach", "不跟随到允许范围之外"),
    ),
    "reach.allowed": Tried(
        CALLS, ("`--allow-endpoint`", "`--allow-endpoint`"), ("only what was named", "只放行列出的地址")
    ),
    "reach.webhook": Tried(
        CALLS, ("webhooks", "Webhook"), ("not called, redirects not followed", "不发起访问，不跟随重定向")
    ),
    "bombs.yaml": Tried(
        BOMBS,
        ("YAML of settings, sweeps and cards", "设置、扫描与模型卡中的 YAML"),
        ("refused in words", "以文字说明并拒绝"),
    ),
    "bombs.json": Tried(
        BOMBS,
        ("JSON of registries, settings and bundles", "注册表、设置与打包文件中的 JSON"),
        ("refused in words", "以文字说明并拒绝"),
    ),
    "bombs.zip": Tried(
        BOMBS, ("archives", "压缩包"), ("refused; nothing is ever unpacked to the disk", "被拒绝；从不解压到磁盘")
    ),
    "bombs.files": Tried(
        BOMBS,
        (
            "data files: lines and paragraphs of 1 GB, 10⁶ columns, gzipped bombs",
            "数据文件：1 GB 的行与段落、10⁶ 列、gzip 炸弹",
        ),
        ("at most 300 MB of memory", "内存不超过 300 MB"),
    ),
    "processes.shell": Tried(
        PROCESSES,
        ("every process that the studio starts", "工作台启动的每个进程"),
        ("a list of arguments, no shell", "参数列表，不经 shell"),
    ),
    "processes.programs": Tried(
        PROCESSES,
        ("every call in the studio's own source", "工作台源码中的每个调用"),
        ("no pickle, no `eval`, no remote code", "无 pickle、`eval` 与远程代码"),
    ),
    "processes.pickles": Tried(
        PROCESSES,
        ("pickles among a model's files that name programs", "模型文件中引用程序的 pickle"),
        ("refused before anything ran", "在执行任何内容之前拒绝"),
    ),
    "processes.flags": Tried(
        PROCESSES,
        (
            "values that look like flags, in every command that the studio makes",
            "工作台构造的每条命令中形似选项的值",
        ),
        ("refused, or a value to the command's own parser", "被拒绝，或被命令自身的解析器当作值"),
    ),
    "processes.copied": Tried(
        PROCESSES,
        ("names in commands and snippets to copy", "可复制命令与代码片段中的名称"),
        ("quoted: the same words come out", "正确引用，解析结果一致"),
    ),
    "secrets.files": Tried(
        SECRETS,
        ("a webhook's address and a server's key, in the whole home", "整个主目录中的 Webhook 地址与服务密钥"),
        ("only in their own files, for their owner", "只在各自文件中，且仅所有者可读"),
    ),
    "secrets.planted": Tried(
        SECRETS,
        (
            "keys, tokens, passwords and addresses, with servers, hubs and services that repeat them: files, logs, "
            "previews, bundles, pages, messages, arguments of processes",
            "密钥、令牌、密码与地址（对方服务会原样回显）：文件、日志、预览、打包文件、页面、消息、进程参数",
        ),
        ("only in their own files, for their owner", "只在各自文件中，且仅所有者可读"),
    ),
    "secrets.keys": Tried(
        SECRETS,
        ("secrets among further engine arguments", "更多引擎参数中的密钥"),
        ("refused before anything is written", "写入任何内容之前即被拒绝"),
    ),
}
