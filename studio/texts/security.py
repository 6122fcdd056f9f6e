"""Who may in: the login page, passwords and tokens, and what the guard says when it refuses."""

TEXTS: dict[str, tuple[str, str]] = {
    "login.password": ("Password", "密码"),
    "login.in": ("Log in", "登录"),
    "login.out": ("Log out", "退出登录"),
    "login.forgotten": (
        "Forgotten? Whoever runs the studio sets a new one with: python -m studio password",
        "忘记密码？由工作台的运行者重新设置：python -m studio password",
    ),
    "error.wrong_password": ("This is not the password.", "密码不正确。"),
    "error.too_many_tries": (
        "Too many tries. Wait {seconds} s.",
        "尝试次数过多，请等待 {seconds} 秒。",
    ),
    "error.no_password": (
        "No password is set, and so nobody is let in. Set one with: python -m studio password",
        "尚未设置密码，因此任何人都无法进入。请运行：python -m studio password",
    ),
    "error.short_password": (
        "The password is too short. Give at least {shortest} characters.",
        "密码太短，至少需要 {shortest} 个字符。",
    ),
    "error.long_password": (
        "The password is too long. Give at most {longest} characters.",
        "密码太长，最多 {longest} 个字符。",
    ),
    "error.passwords_differ": (
        "The two passwords differ. Nothing was changed.",
        "两次输入的密码不一致，未作更改。",
    ),
    "error.no_terminal": (
        "There is no terminal to ask for the password. Give it on standard input with --stdin.",
        "没有可用于输入密码的终端。请用 --stdin 从标准输入提供。",
    ),
    "error.access_unreadable": (
        "{path} in the home's .access folder cannot be read, and so nobody is let in. Setting the password anew mends a broken one: python -m studio password",
        "无法读取主目录 .access 中的 {path}，因此任何人都无法进入。重新设置密码可修复：python -m studio password",
    ),
    "error.address_refused": (
        "{given} is at {address}, which this studio does not call: others can open it, and that address is of a private network or gives keys to machines. Start it with --allow-endpoint {given}:{port} to allow it.",
        "{given} 的地址是 {address}，工作台不会访问：工作台对他人开放，而该地址属于私有网络或用于发放机器密钥。如需允许，请用 --allow-endpoint {given}:{port} 启动。",
    ),
    "error.only_loopback": (
        "{given} is refused: without a password the studio is offered to this machine only (127.0.0.1). Set one with `python -m studio password --home {home}`, then start again.",
        "拒绝 {given}：没有密码时，工作台只对本机（127.0.0.1）开放。请先运行 `python -m studio password --home {home}` 设置密码，再重新启动。",
    ),
    "error.bad_host_name": (
        "“{given}” is no host name. Give one without port and path, such as studio.example.org.",
        "“{given}” 不是主机名。请给出不含端口和路径的名称，例如 studio.example.org。",
    ),
    "error.bad_frame": (
        "“{given}” is no origin. Give https or http and a name, and nothing behind the name but a port.",
        "“{given}” 不是来源。请给出以 https 或 http 开头的名称，后面只能带端口。",
    ),
    "error.bad_root_path": (
        "“{given}” is no sub-path. Give one such as /studio-1.",
        "“{given}” 不是子路径。请给出如 /studio-1 的路径。",
    ),
    "error.bad_token_name": (
        "Give the token a name of 1 to {longest} characters.",
        "请为令牌取一个 1 到 {longest} 个字符的名称。",
    ),
    "error.bad_token_days": (
        "{given} days is no life of a token. Give 1 to 3650, or 0 for one that never ends.",
        "令牌有效期不能是 {given} 天。请给出 1 到 3650，或用 0 表示永不过期。",
    ),
    "error.token_name_taken": (
        "There is a token {given} already. Revoke it, or choose another name.",
        "已有名为 {given} 的令牌。请先撤销，或换一个名称。",
    ),
    "error.unknown_token": ("There is no token {given}.", "没有名为 {given} 的令牌。"),
    "guard.other_host": (
        "This studio does not go by that name. Start it with --allow-host NAME if it should.",
        "该名称不属于此工作台。如需使用，请在启动时加上 --allow-host 名称。",
    ),
    "guard.other_site": ("Requests of other sites are refused.", "拒绝来自其他网站的请求。"),
    "guard.log_in": ("Log in first, or send an API token.", "请先登录，或发送 API 令牌。"),
    "guard.unreadable": (
        "The files of the password cannot be read, and so nobody is let in.",
        "无法读取密码文件，因此任何人都无法进入。",
    ),
    "guard.failed": ("Something unexpected went wrong.", "发生了意外错误。"),
    "guard.wrong_type": ("Send JSON, or files to upload.", "请发送 JSON，或上传文件。"),
    "guard.too_large": ("This is larger than the maximum allowed size.", "内容超过了工作台的大小限制。"),
    "guard.too_many_files": ("At most {most} files at once.", "一次最多 {most} 个文件。"),
    "guard.wrong_kind": (
        "Files of this kind are not taken. Known: {known}.",
        "不接受此类文件。可用类型：{known}。",
    ),
    "cli.password": (
        "set the password of the page; it is asked for, and ends all logins",
        "设置网页密码；会提示输入，并结束所有登录",
    ),
    "cli.password.stdin": ("read the password from standard input", "从标准输入读取密码"),
    "cli.password.remove": ("forget the password", "移除密码"),
    "cli.password.ask": ("New password: ", "新密码："),
    "cli.password.again": ("Once more: ", "再输入一次："),
    "cli.password.set": (
        "The password is set. Whoever was logged in must log in again.",
        "密码已设置，已登录者需重新登录。",
    ),
    "cli.password.removed": (
        "There is no password now. The studio is offered to this machine only.",
        "密码已移除，工作台只对本机开放。",
    ),
    "cli.tokens": ("API tokens for scripts", "供脚本使用的 API 令牌"),
    "cli.token_make": ("make a token; it is shown this once", "创建令牌；仅显示一次"),
    "cli.token_list": ("list the tokens", "列出令牌"),
    "cli.token_revoke": ("end a token", "撤销令牌"),
    "cli.token.days": ("days until it ends; 0 for never", "有效天数；0 表示永不过期"),
    "cli.token.over": ("over", "已过期"),
}
