"""Options of `inlay run`: each from the command line, the environment, an env
file and [tool.inlay], as far as where it is used."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from pathlib import Path

import inlay
import pytest
from click.testing import CliRunner
from inlay import cli, options, settings
from inlay.config import Config

DEFAULTS = Config("app:app")
# What commands decide, not their users.
OURS = {"target", "dev", "problem"}
FIELDS = [f.name for f in dataclasses.fields(Config) if f.name not in OURS]

# Field -> what is written, what Config has then. The rest is numbers, on/off.
WRITTEN = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "uds": ("{tmp}/sock", "{tmp}/sock"),
    "uds_permissions": ("600", 0o600),
    "fd": ("7", 7),
    "bind": (["127.0.0.1:1", "unix:{tmp}/s"], ("127.0.0.1:1", "unix:{tmp}/s")),
    "app_dir": ("{tmp}", "{tmp}"),
    "interface": ("asgi2", "asgi2"),
    "loop": ("uvloop", "uvloop"),
    "lifespan": ("off", "off"),
    "ws": ("none", "none"),
    "root_path": ("/below", "/below"),
    "env_file": ("{tmp}/env", "{tmp}/env"),
    "reload_dirs": (["{tmp}/a", "{tmp}/b"], ("{tmp}/a", "{tmp}/b")),
    "reload_includes": (["*.html"], ("*.html",)),
    "reload_excludes": (["*.tmp", "x/*"], ("*.tmp", "x/*")),
    "limit_memory": ("512M", 512 << 20),
    "limit_body_bytes": ("2 GiB", 2 << 30),
    "body_window": ("128k", 128 << 10),
    "log_level": ("trace", "trace"),
    "log_config": ("{tmp}/log.json", "{tmp}/log.json"),
    "access_log_format": ("json", "json"),
    "metrics_host": ("::1", "::1"),
    "metrics_port": ("9100", 9100),
    "health_path": ("/healthz", "/healthz"),
    "headers": (["X-A: b c", "x-d:e"], ("x-a: b c", "x-d:e")),
    "forwarded_allow_ips": ("10.0.0.0/8,unix", "10.0.0.0/8,unix"),
    "static": (["/s={tmp}/s", "/t={tmp}/t=u"], ("/s={tmp}/s", "/t={tmp}/t=u")),
    "static_index": ("home.html", "home.html"),
    "cors_origin": (["*", "https://*.a.example"], ("*", "https://*.a.example")),
    "cors_method": (["GET", "PUT"], ("GET", "PUT")),
    "cors_header": (["X-A", "X-B"], ("X-A", "X-B")),
    "cors_expose_header": (["X-A"], ("X-A",)),
    "rate_limit": (["9/s", "/a=1/m burst 2"], ("9/s", "/a=1/m burst 2")),
    "concurrency": (["/a=1", "5"], ("/a=1", "5")),
    "timeout": (["/a=500ms"], ("/a=500ms",)),
    "accept": (["/a=text/csv a/b"], ("/a=text/csv a/b",)),
    "native_off": (["/a/*", "GET /b"], ("/a/*", "GET /b")),
    "lift_past": (["AMiddleware", "b.B"], ("AMiddleware", "b.B")),
    "db": (
        ["sqlite:////{tmp}/a.db?max_size=2", "other=sqlite:///:memory:"],
        ("sqlite:////{tmp}/a.db?max_size=2", "other=sqlite:///:memory:"),
    ),
    "control": ("{tmp}/ctl", "{tmp}/ctl"),
    "compress": (["br", "gzip"], ("br", "gzip")),
    "compress_types": (["text/css", "image/bmp"], ("text/css", "image/bmp")),
    "reload_delay": ("0.5", 0.5),
    "watchdog": ("0.5", 0.5),
    "timeout_write": ("1.5", 1.5),
}
# Options that are refused without another one.
WITH = {
    "limit_queue": ("limit_concurrency", "5"),
    "cors_credentials": ("cors_origin", "*"),
    "limit_max_requests_jitter": ("limit_max_requests", "5"),
}


def written(field: str, tmp: Path) -> tuple[object, object]:
    """A value other than the default: as text, and as Config has it."""
    default = getattr(DEFAULTS, field)
    if field not in WRITTEN:
        if isinstance(default, bool) or default is None:
            return ("0", False) if default else ("1", True)
        return str(int(default + 1)), type(default)(default + 1)

    def fill(value):
        if isinstance(value, (list, tuple)):
            return type(value)(fill(each) for each in value)
        return value.format(tmp=tmp) if isinstance(value, str) else value

    text, value = WRITTEN[field]
    return fill(text), fill(value)


def arguments(field: str, text: object) -> list[str]:
    option = options.BY_FIELD[field]
    if isinstance(text, list):
        return [word for each in text for word in (option.opts[0], each)]
    if option.is_flag:
        return [option.opts[0] if text == "1" else option.secondary_opts[0]]
    return [option.opts[0], str(text)]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """run(*arguments, env=…) -> the Config that would be served."""
    for name in ("a", "b", "s", "sub", "t=u"):
        (tmp_path / name).mkdir()
    (tmp_path / "env").write_text("")
    (tmp_path / "log.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    served: list[Config] = []
    monkeypatch.setattr(cli, "_serve", served.append)

    def invoke(*args: str, env: dict[str, str] | None = None, command: str = "run"):
        result = CliRunner(env=env or {}).invoke(cli.main, [command, *args])
        if result.exit_code:
            return result
        return served.pop()

    before = dict(os.environ)
    yield invoke
    for name in set(os.environ) - set(before):
        del os.environ[name]  # an env file has set it


def toml(path: Path, **values: object) -> None:
    lines = []
    for key, value in values.items():
        if isinstance(value, bool):
            text = str(value).lower()
        else:
            text = repr(value).replace("'", '"')
        lines.append(f"{key.replace('_', '-')} = {text}\n")
    (path / "pyproject.toml").write_text("[tool.inlay]\n" + "".join(lines))


def test_every_field_has_an_option():
    assert set(options.BY_FIELD) == set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_on_the_command_line(run, tmp_path, field):
    text, value = written(field, tmp_path)
    assert value != getattr(DEFAULTS, field)
    more = [arguments(*WITH[field])] if field in WITH else [[]]
    config = run("app:app", *arguments(field, text), *more[0])
    assert getattr(config, field) == value, config
    assert config.target == "app:app"


@pytest.mark.parametrize("field", FIELDS)
def test_in_the_environment(run, tmp_path, field):
    text, value = written(field, tmp_path)
    if isinstance(text, list):
        text = {"headers": "\n", "db": " "}.get(field, ",").join(text)
    env = {options.BY_FIELD[field].envvar[0]: str(text)}
    if field in WITH:
        env[f"INLAY_{WITH[field][0].upper()}"] = WITH[field][1]
    assert getattr(run("app:app", env=env), field) == value


@pytest.mark.parametrize("field", FIELDS)
def test_in_pyproject(run, tmp_path, field):
    text, value = written(field, tmp_path)
    key = options.BY_FIELD[field].opts[0].removeprefix("--")
    table = {key: value if isinstance(value, (bool, int, float)) else text}
    if field in WITH:
        other, needed = WITH[field]
        table[other] = int(needed) if needed.isdigit() else needed
    toml(tmp_path, **table)
    assert getattr(run("app:app"), field) == value


@pytest.mark.parametrize("field", FIELDS)
def test_it_reaches_those_who_use_it(tmp_path, field):
    """A keyword of the C server changes, or something else in Python reads it."""
    _, value = written(field, tmp_path)
    changed = dataclasses.replace(DEFAULTS, **{field: value})
    if settings.of(changed) != settings.of(DEFAULTS):
        return
    folder = Path(inspect.getfile(inlay)).parent
    skipped = ("config.py", "options.py", "cli.py", "embed.py")
    readers = [
        path.name
        for path in folder.glob("*.py")
        if path.name not in skipped and re.search(rf"\.{field}\b", path.read_text())
    ]
    # cli.py reads it before there is a Config.
    assert readers or field == "env_file"


def test_config_travels_to_workers(tmp_path):
    values = {field: written(field, tmp_path)[1] for field in FIELDS}
    config = Config("app:app", **values)
    assert Config.from_json(config.to_json()) == config


def test_precedence(run, tmp_path):
    toml(tmp_path, port=1, workers=3, backlog=7, host="a", env_file="env")
    (tmp_path / "env").write_text("INLAY_PORT=2\nINLAY_WORKERS=2\nINLAY_BACKLOG=2\n")
    env = {"INLAY_PORT": "4", "INLAY_WORKERS": "4"}
    config = run("app:app", "--port", "5", env=env)
    assert (config.port, config.workers, config.backlog, config.host) == (5, 4, 2, "a")


@pytest.mark.parametrize(
    ("variable", "field", "text", "value"),
    [
        ("WEB_CONCURRENCY", "workers", "3", 3),
        ("FORWARDED_ALLOW_IPS", "forwarded_allow_ips", "*", "*"),
    ],
)
def test_variables_of_others(run, variable, field, text, value):
    assert getattr(run("app:app", env={variable: text}), field) == value
    other = "9" if field == "workers" else "::9"
    env = {variable: text, f"INLAY_{field.upper()}": other}
    assert str(getattr(run("app:app", env=env), field)) == other


def test_unknown_variables():
    said = options.unknown_variables(
        ["INLAY_WORKER", "INLAY_CACHE_DIR", "INLAY_PORT", "INLAY_RELOAD_DIR", "PATH"]
    )
    assert said == [
        "the variable INLAY_WORKER is none of Inlay's; did you mean INLAY_WORKERS?"
    ]


def test_variables_of_uvicorn_are_not_read(run):
    assert run("app:app", env={"UVICORN_PORT": "1"}).port == 8000


def test_env_file_on_the_command_line(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HAS", "been set")
    monkeypatch.delenv("SETTING", raising=False)
    (tmp_path / "env").write_text("SETTING='a b'\nHAS=not\n")
    run("app:app", "--env-file", "env")
    assert os.environ["SETTING"] == "a b"
    assert os.environ["HAS"] == "been set"


def test_env_file_reaches_the_application(inlay_run, write_app, tmp_path):
    (tmp_path / ".env").write_text("GREETING=hello\n")
    folder = write_app(
        "import os\nGREETING = os.environ['GREETING'].encode()\n"
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body', 'body': GREETING})\n"
    )
    server = inlay_run("app:app", "--env-file", str(folder / ".env"), app_dir=folder)
    assert server.get("/").text == "hello"


def test_paths_of_pyproject_are_relative_to_it(run, tmp_path, monkeypatch):
    toml(
        tmp_path,
        target="main:app",
        static=["/s=s", "/t=/usr"],
        bind=["unix:sock", "unix:@abstract", "h:1"],
        reload_dir=["a"],
        log_config="log.json",
    )
    monkeypatch.chdir(tmp_path / "sub")
    config = run()
    assert config.target == "main:app"
    assert config.app_dir == str(tmp_path)
    assert config.static == (f"/s={tmp_path}/s", "/t=/usr")
    assert config.bind == (f"unix:{tmp_path}/sock", "unix:@abstract", "h:1")
    assert config.reload_dirs == (f"{tmp_path}/a",)
    assert config.log_config == f"{tmp_path}/log.json"
    assert run("other:app").app_dir == ""


def test_the_next_table_counts(run, tmp_path, monkeypatch):
    toml(tmp_path, backlog=3)
    (tmp_path / "sub" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.chdir(tmp_path / "sub")
    assert run("app:app").backlog == 3
    toml(tmp_path / "sub", backlog=4)
    assert run("app:app").backlog == 4
    monkeypatch.chdir(tmp_path)
    assert run("app:app", "--app-dir", "sub").backlog == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", 'no option "prot"; did you mean port?'),
        ("reload_dirz = 1", 'no option "reload_dirz"; did you mean reload-dir?'),
        ('port = "x"', "port: 'x' is not a whole number"),
        ("port = 18102.5", "port: 18102.5 is not a whole number"),
        ("port = true", "port: True is not a whole number"),
        ("timeout-body = nan", "timeout-body: nan is not a number"),
        ("port = [1]", "port: [1] is a list"),
        ("port = {a = 1}", "port: {'a': 1} is a table"),
        ('header = ["x"]', "header: 'x' is no header"),
        ("header = [1]", "header: 1 is not a text"),
        ('loop = "trio"', "loop: 'trio' is not one of"),
        ("target = 1", "target is no text"),
        ('interface = "wsgi"', "a2wsgi"),
        ("uds-permissions = 660", "no permissions"),
        ("port = ", "pyproject.toml: "),
    ],
)
def test_a_wrong_table(run, tmp_path, text, message):
    (tmp_path / "pyproject.toml").write_text(f"[tool.inlay]\n{text}\n")
    result = run("app:app")
    assert result.exit_code == 2
    assert "pyproject.toml" in result.output
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--uds x --bind y:1", "--bind and --uds exclude each other"),
        ("--fd 3 --bind y:1", "--bind and --fd exclude"),
        ("--fd 3 --uds x", "--fd and --uds exclude"),
        ("--fd 3 --reuse-port", "--reuse-port and --fd"),
        ("--reload --preload", "--reload and --preload"),
        ("--limit-queue 5", "--limit-queue needs --limit-concurrency"),
        ("--limit-max-requests-jitter 5", "needs --limit-max-requests"),
        ("--health-path x", 'begins with no "/"'),
        ("--header x", "is no header"),
        ("--header x:y\nz:1", "is no header"),
        ("--limit-memory 5X", "is not a size"),
        ("--limit-head-bytes 0", "out of range"),
        ("--uds-permissions 8", "no permissions"),
        ("--compress gzip,lzw", "'lzw' is not one of zstd, br, gzip"),
        ("--interface wsgi", "a2wsgi"),
        ("--loop trio", "'trio' is not one of"),
        ("--env-file nowhere", "nowhere"),
        ("--workers two", "'two' is not a whole number"),
        ("--timeout-body x", "'x' is not a number"),
        ("--app-dir nowhere", '--app-dir: there is no folder "nowhere"'),
        ("--health-path /x?y", '--health-path: "/x?y" has "?"'),
        ("--root-path api", '--root-path: "api" begins with no "/"'),
        ("--root-path /api?x", '--root-path: "/api?x" has "?"'),
        ("--bind foo", '"foo" is no address'),
        ("--static /s", '--static: "/s" is not of the form /path=folder'),
        ("--static /s=nowhere", "nowhere"),
        ("--access-log-format %(nope)s", "--access-log-format: "),
        ("--no-access-log --access-log-format %(x)s", "--access-log-format: "),
        ("--forwarded-allow-ips 1.2.3", '--forwarded-allow-ips: "1.2.3"'),
        ("--header Transfer-Encoding:x", "--header: transfer-encoding can't be set"),
        ("--compress-types text", '--compress-types: "text" is no media type'),
        ("-w 4", "--workers"),
        ("--ssl-keyfile x", "option of uvicorn that Inlay does not have yet"),
        ("--http2", "option of uvicorn that Inlay does not have yet"),
    ],
)
def test_what_is_refused(run, arguments, message):
    result = run("app:app", *arguments.split(" "))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_wrong_variable_is_named(run):
    result = run("app:app", env={"INLAY_PORT": "http"})
    assert result.exit_code == 2
    assert "INLAY_PORT" in result.output


def test_lists_may_come_as_one(run):
    config = run("app:app", "--compress", "zstd,br", "--compress", "br,gzip")
    assert config.compress == ("zstd", "br", "gzip")


def test_slashes_at_the_end_of_root_path(run):
    assert run("app:app", "--root-path", "/api/").root_path == "/api"
    assert run("app:app", "--root-path", "/").root_path == ""


def test_an_env_file_need_not_be_a_plain_one(run):
    assert run("app:app", "--env-file", "/dev/null").env_file == "/dev/null"


def test_dev_takes_what_makes_sense_there(run, tmp_path):
    toml(tmp_path, workers=4, backlog=9)
    config = run("app:app", command="dev")
    assert (config.dev, config.workers, config.backlog) == (True, 1, 9)
    output = run("app:app", "--workers", "2", command="dev").output
    assert "--workers is an option of `inlay run`: `inlay dev` has one" in output


@pytest.mark.parametrize(
    ("file", "text", "target"),
    [
        ("main.py", "app = FastAPI()\n", "main:app"),
        ("app.py", "async def app(scope, receive, send): ...\n", "app:app"),
        ("api.py", "api: FastAPI = FastAPI()\n", "api:api"),
        ("asgi.py", "from x import get as application\n", "asgi:application"),
    ],
)
def test_a_target_is_found(run, tmp_path, file, text, target):
    (tmp_path / "main.py").write_text("def main(): app = 1\n")
    (tmp_path / file).write_text(text)
    assert run().target == target
    assert run(env={"INLAY_TARGET": "other:one"}).target == "other:one"


def test_no_target_is_found(run, tmp_path):
    assert "TARGET is missing" in run().output
    (tmp_path / "main.py").write_text("app = (\n")
    assert "main.py" in run().output


def test_options_of_uvicorn():
    """Each is ours too, or is said to be missing."""
    uvicorn = pytest.importorskip("uvicorn.main")
    command = cli.main.commands["run"]
    ours = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    theirs = {
        name
        for param in uvicorn.main.params
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }
    assert theirs - ours - cli._NOT_YET == {"--version"}  # `inlay --version`


def test_each_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "options.md").read_text()
    for option in (*cli.main.commands["run"].params, *map(NotYet, cli._NOT_YET)):
        names = [name for name in option.opts if name.startswith("--")]
        assert all(f"`{name}`" in text for name in names), names
    for field, option in options.BY_FIELD.items():
        row = next(x for x in text.split("\n") if x.startswith(f"| `{option.opts[0]}`"))
        if isinstance(getattr(DEFAULTS, field), (int, float, str)) and option.shown:
            assert option.shown in row.split("|")[2], row


class NotYet:
    def __init__(self, name):
        self.opts = [name]


def test_what_has_no_effect_is_accepted(run):
    config = run("app:app", "--http", "httptools", "--reset-contextvars")
    assert config == Config("app:app")
    config = run("app:app", "--h11-max-incomplete-event-size", "1000")
    assert config.limit_head_bytes == 1000


def test_help_is_in_sections():
    result = CliRunner().invoke(cli.main, ["run", "--help"])
    assert list(options.SECTIONS)[0] + ":" in result.output
    for field in FIELDS:
        assert options.BY_FIELD[field].opts[0] in result.output
