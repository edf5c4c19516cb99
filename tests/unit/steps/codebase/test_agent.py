"""agent: the rules that ship put files where people would, the first rule wins, mistakes in
rules are all told, and the report adds up.
"""

import json
import sysconfig
import time
from collections import Counter

import pytest
from marshmallow import ValidationError

from helpers.folder_steps import FolderContext, run_step, write_tree
from jobsync.base.errors import StepFailed
from jobsync.steps.codebase.agent import agent
from jobsync.steps.codebase.language import kind_of_language, language_names, language_of
from jobsync.steps.codebase.local_dir import local_dir
from jobsync.steps.codebase.rules import CATEGORIES, load_rules

STDLIB = sysconfig.get_paths()["stdlib"]


def imported(path, size=100, lines=5, binary=False, generated=False):
    """Return a file as local_dir's result has it."""
    language = None if binary else language_of(path.rpartition("/")[2])
    return {
        "path": path,
        "size": size,
        "lines": 0 if binary else lines,
        "language": language,
        "binary": binary,
        "generated": generated,
    }


def an_import(*batches, skipped=0, cut=None):
    return {
        "import_files": (
            "local_dir",
            [{"files": list(files), "sums": {"skipped": skipped, "cut": cut}} for files in batches],
        )
    }


def classify(files, **options):
    return run_step(agent, agent_type="rule_classifier", imports=an_import(files), **options)


def rules_file(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def reasons(tmp_path, text):
    """Return the reasons why a file of rules can't be used, without its name."""
    path = rules_file(tmp_path, text)
    found = agent.check(agent.options().load({"agent_type": "rule_classifier", "rules": path}), {})
    assert all(reason.startswith("own.toml: ") for reason in found)
    return [reason.removeprefix("own.toml: ") for reason in found]


# The rules that ship


EXPECTED = {
    "source": """
        src/app.py lib/util.js src/index.ts src/App.tsx cmd/main.go src/lib.rs src/main.c
        include/a.h src/a.cpp Main.java app/Foo.kt a.cs a.swift app/models/user.rb index.php
        script.sh run.bat a.scala a.hs a.ex a.lua a.jl a.R a.sql api/service.proto schema.graphql
        app.vue App.svelte style.css theme.scss index.html page.j2 grammar.g4 shader.frag
        analysis.ipynb a.pyx types.d.ts latest.java contest.py src/testing.py
        migrations/0001_initial.py a.asm cpu.v kernel.cu a.mjs templates/base.html
        lib/attestation.go venv/__init__.py
    """,
    "test": """
        tests/test_a.py test_a.py a_test.py pkg/a_test.go src/a.test.ts src/a.spec.js
        src/test/java/FooTest.java FooTests.cs FooTest.java spec/models/user_spec.rb src/tests.rs
        benches/speed.rs conftest.py tests/conftest.py tests/data/input.json testdata/in.txt
        cypress/login.cy.ts e2e/run.ts Tests/Helper.swift __tests__/a.js t/basic.t
        src/__mocks__/fs.js a_test.cc tests/fixtures/a.png run.bats app/src/androidTest/A.kt
        Foo.Tests/Bar.cs features/login.feature
    """,
    "docs": """
        README.md README docs/index.rst CHANGELOG.md LICENSE LICENSE.txt COPYING CONTRIBUTING.md
        doc/guide.md AUTHORS notes.txt manual.pdf examples/hello.py tests/README.md a.tex man/tool.1
        tool.1 SECURITY.md NEWS CODE_OF_CONDUCT.md architecture.adoc
    """,
    "config": """
        .gitignore .editorconfig .eslintrc.json .prettierrc tsconfig.json settings.ini
        app.yaml.bak.cfg config.yml .env .env.local mypy.ini pytest.ini .vscode/settings.json
        .pre-commit-config.yaml jest.config.js .github/CODEOWNERS .github/dependabot.yml a.toml
        nginx.conf application.properties .python-version server.pem docs/conf.py babel.config.js
        py.typed .npmrc
    """,
    "build": """
        Makefile CMakeLists.txt Dockerfile docker-compose.yml package.json pyproject.toml setup.py
        requirements.txt requirements-dev.txt Cargo.toml go.mod pom.xml build.gradle
        .github/workflows/ci.yml .gitlab-ci.yml Jenkinsfile App.csproj App.sln tox.ini
        webpack.config.js meson.build configure.ac main.tf rules.mk Gemfile composer.json
        BUILD.bazel flake.nix gradlew build.sbt .travis.yml debian/control deploy.sh
    """,
    "data": """
        data/users.json people.csv locale/de/LC_MESSAGES/a.po locales/de.json model.onnx db.sqlite
        archive.zip states.geojson feed.xml a.parquet
    """,
    "asset": """
        logo.png icon.svg font.woff2 intro.mp4 click.wav static/img/a.jpg model.glb Main.storyboard
    """,
    "generated": """
        package-lock.json yarn.lock Cargo.lock poetry.lock uv.lock go.sum app.min.js app.min.css
        app.js.map a_pb2.py api.pb.go a.pyc __pycache__/a.cpython-311.pyc a.o liba.so libz.so.1.2
        Foo.class dist/app.js target/debug/app foo.egg-info/PKG-INFO error.log a.py~
        src/generated/api.ts src/__snapshots__/a.snap model.g.dart prebuilds/linux/x.napi addon.node
        a.c.sha256 .mypy_cache/a.json Form1.Designer.cs
    """,
    "vendored": """
        node_modules/react/index.js vendor/github.com/a/b.go third_party/zlib/zlib.c
        deps/zlib/test/a_test.c lib/python3.11/site-packages/a.py jquery.min.js jquery-3.6.0.js
        gradle/wrapper/gradle-wrapper.jar app/vendor/a_test.go .venv/bin/activate
        venv/lib/python3/a.py vendor/LICENSE
    """,
    "unknown": "mystery strange.xyzzy folder/what.qqq",
}


BINARY = [
    "pyc",
    "o",
    "so",
    "class",
    "png",
    "jpg",
    "wav",
    "mp4",
    "woff2",
    "zip",
    "sqlite",
    "onnx",
    "jar",
    "glb",
    "parquet",
    "pdf",
    "2",
]


@pytest.mark.parametrize("category", EXPECTED)
def test_the_rules_that_ship_put_files_where_people_would(category):
    paths = EXPECTED[category].split()
    done = classify([imported(path, binary=path.rpartition(".")[2] in BINARY) for path in paths])
    wrong = [
        f"{file['path']}: {file['category']} by {file['rule']}"
        for file in done.results[0]["files"]
        if file["category"] != category
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("src/a.c", "generated"),
        ("tests/test_a.py", "test"),
        ("docs/a.svg", "asset"),
        ("deps/a/a.c", "vendored"),
        ("docs/api.md", "generated"),
    ],
)
def test_what_says_of_itself_that_a_program_wrote_it_is_generated_unless_its_place_says_more(
    path, category
):
    (file,) = classify([imported(path, generated=True)]).results[0]["files"]
    assert file["category"] == category


def test_the_table_above_has_every_category():
    assert sorted(EXPECTED) == sorted(CATEGORIES)


def test_the_rules_that_ship_look_at_size_and_lines_too():
    bundle = imported("static/app.js", size=90_000, lines=3)
    plain = imported("static/app.js", size=90_000, lines=3_000)
    unread = imported("static/app.js", size=9_000_000, lines=None)
    assert [file["rule"] for file in classify([bundle, plain, unread]).results[0]["files"]] == [
        "code in a few endless lines",
        "javascript",
        "javascript",
    ]
    assert [
        file["category"]
        for file in classify([imported("a.obj", binary=True), imported("a.obj")]).results[0][
            "files"
        ]
    ] == [
        "generated",
        "asset",
    ]


OF_KIND = {"code": "SAS", "prose": "scdoc", "data": "SNBT", "other": None}


def test_no_rule_that_ships_is_hidden_by_one_above_it():
    """Take a file for each extension and glob of each rule: every rule must win at least one."""
    rules, winners = load_rules(), set()
    for rule in rules.rules:
        names = [
            glob.replace("**/", "x/")
            .replace("*", "x")
            .replace("?", "x")
            .replace("[0-9]", "1")
            .replace("[A-Z]", "X")
            .replace("[#]", "#")
            for glob in rule.get("path", ["x"])
        ]
        for name in names:
            name = (name + "x" if name.endswith("/") else name).lstrip("/")
            for extension in [None, *rule.get("extension", [])]:
                path = name if extension is None else f"{name}.{extension}"
                for language in [
                    language_of(path.rpartition("/")[2]),
                    *rule.get("language", []),
                    *map(OF_KIND.get, rule.get("kind", [])),
                ]:
                    for binary in (False, True):
                        file = imported(
                            path,
                            rule.get("min_size", 100),
                            rule.get("min_lines", 5),
                            binary,
                            rule.get("generated", False),
                        ) | {"language": language}
                        winner = rules.match(file)
                        winners.add(winner and winner["name"])
    assert {rule["name"] for rule in rules.rules} - winners == set()


PLACES = {
    "source": """
        src/KubernetesClient/Models/V1PodSpec.cs src/main/java/com/acme/lab/BloodTest.java
        src/main/java/com/acme/music/Suite.java
        kubernetes/src/main/java/io/kubernetes/client/openapi/models/V1PodSpec.java
        app/src/main/kotlin/com/acme/test/Probe.kt src/main/java/com/acme/vendor/Vendor.java
        src/main/java/com/acme/docs/Doc.java src/main/java/com/acme/benchmark/Benchmark.java
        src/main/scala/acme/examples/Suite.scala shared/src/commonMain/kotlin/a/FooTest.kt
        src/main/java/com/acme/prebuilt/Prefab.java pkg/kubernetes/client.go pkg/docs/render.go
        pkg/benchmark/run.go pkg/deps/graph.go kubernetes/client.go terraform/provider.py
        src/bootstrap.ts src/bootstrap.js resources/js/bootstrap.js todo.py src/todo.js
        app/authors.rb src/contributors.ts lib/require.js src/licenses/views.py src/docs/page.tsx
        app/models/blood_test.rb src/Entity/BloodTest.php Sources/Lab/BloodTest.swift
        pkg/sub/migrations/a.go
    """,
    "test": """
        src/test/java/com/acme/BloodTest.java src/test/resources/project/src/main/java/A.java
        tests/fixtures/app/src/main/java/A.java pkg/a/a_test.go pkg/a/testdata/a.go test/e2e/a.go
        tests/BloodTest.php Tests/LabTests/BloodTest.swift spec/models/a_spec.rb pkg/testutil/a.go
        Lab.Tests/V1PodSpec.cs src/Lab.Tests/FooTest.cs
    """,
    "docs": """
        examples/app/src/main/java/A.java docs/conf/example.py samples/a/src/main/kotlin/A.kt
        TODO.md todo.txt TODO AUTHORS licenses/MIT docs/build.js
    """,
    "vendored": """
        vendor/lib/src/main/java/A.java third_party/a/src/main/kotlin/A.kt static/bootstrap.min.js
        js/bootstrap-5.3.0.js vendor/a.java
    """,
    "generated": "src/main/java/com/acme/generated/A.java prebuilt/linux/tool",
    "build": """
        kubernetes/pod.yaml terraform/run.sh helm/templates/a.tpl k8s/pod.json
        buildSrc/src/main/kotlin/a.gradle.kts
    """,
}


@pytest.mark.parametrize("category", PLACES)
def test_the_place_of_a_file_says_more_than_its_name(category):
    done = classify([imported(path) for path in PLACES[category].split()])
    wrong = [
        f"{file['path']}: {file['category']} by {file['rule']}"
        for file in done.results[0]["files"]
        if file["category"] != category
    ]
    assert wrong == []


def test_what_is_generated_among_main_sources_is_no_test():
    path = "kubernetes/src/main/java/io/kubernetes/client/openapi/models/V1PodSpec.java"
    assert (
        classify([imported(path, generated=True)]).results[0]["files"][0]["category"] == "generated"
    )


def test_a_library_is_told_from_a_file_of_its_name_by_its_size():
    large, small = (
        imported("js/bootstrap.js", size=145_000, lines=4_000),
        imported("js/bootstrap.js", size=900, lines=30),
    )
    assert [file["category"] for file in classify([large, small]).results[0]["files"]] == [
        "vendored",
        "source",
    ]


def test_a_file_in_a_known_language_is_never_unknown():
    languages = sorted(language_names())
    done = classify(
        [{**imported("folder/a.xyzzy"), "language": language} for language in languages]
    )
    expected = {"code": "source", "prose": "docs", "data": "data"}
    wrong = [file for file in done.results[0]["files"] if file["category"] == "unknown"]
    assert wrong == []
    found = {
        file["language"]: file["category"]
        for file in done.results[0]["files"]
        if file["rule"].endswith("in other languages")
    }
    assert found and all(
        expected[kind_of_language(language)] == category for language, category in found.items()
    )
    for name in ["a.sas", "a.abap", "a.sc", "a.typ", "a.luau", "a.pony", "a.odin", "a.do", "de.ts"]:
        assert classify([imported(name)]).results[0]["files"][0]["category"] in ("source", "docs")


# One's own rules


RULES = """
[[rule]]
name = "special"
category = "config"
subcategory = "special"
importance = "high"
path = ["src/*.py", "Special.py"]
[[rule]]
name = "small"
category = "data"
importance = "low"
max_size = 10
[[rule]]
name = "long python"
category = "source"
language = "Python"
extension = ".py"
min_lines = 100
[[rule]]
name = "binary"
category = "asset"
binary = true
[[rule]]
name = "things"
category = "docs"
path = "things/"
"""


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        (imported("src/a.py", lines=200), "special"),
        (imported("src/in/a.py", lines=200), "long python"),
        (imported("x/src/a.py", lines=200), "long python"),
        (imported("deep/Special.py"), "special"),
        (imported("deep/special.py"), None),
        (imported("a.py", size=10, lines=200), "small"),
        (imported("a.py", size=11, lines=100), "long python"),
        (imported("a.py", lines=99), None),
        (imported("a.py", lines=None), None),
        (imported("a.pyi", lines=200), None),
        (imported("x.dat", binary=True), "binary"),
        (imported("things/a.txt"), "things"),
        (imported("a/THINGS/b/a.txt"), "things"),
        (imported("things"), None),
        (imported("a/many-things/b"), None),
    ],
)
def test_the_first_rule_whose_conditions_all_hold_decides(tmp_path, file, rule):
    (classified,) = classify([file], rules=rules_file(tmp_path, RULES)).results[0]["files"]
    assert classified["rule"] == rule
    assert (classified["category"] == "unknown") == (rule is None)


def test_a_result_keeps_what_later_steps_need(tmp_path):
    done = classify(
        [imported("src/a.py", size=20, lines=3), imported("what", lines=None)],
        rules=rules_file(tmp_path, RULES),
    )
    assert done.results[0]["files"] == [
        {
            **{"path": "src/a.py", "size": 20, "lines": 3, "language": "Python", "binary": False},
            **{
                "category": "config",
                "subcategory": "special",
                "importance": "high",
                "rule": "special",
            },
        },
        {
            **{"path": "what", "size": 100, "lines": 0, "language": None, "binary": False},
            **{"category": "unknown", "subcategory": "", "importance": "low", "rule": None},
        },
    ]
    assert done.log.lines == [("info", "classified 2 files: 1 config, 1 unknown")]


def test_rules_are_read_again_when_their_file_changes(tmp_path):
    path = rules_file(tmp_path, '[[rule]]\nname = "a"\ncategory = "docs"\npath = "x"\n')
    assert load_rules(path) is load_rules(path)
    assert classify([imported("x")], rules=path).results[0]["files"][0]["category"] == "docs"
    rules_file(tmp_path, '[[rule]]\nname = "b"\ncategory = "source"\npath = "x"\n')
    assert classify([imported("x")], rules=path).results[0]["files"][0]["category"] == "source"


# Mistakes in rules


def test_all_mistakes_in_rules_are_told_at_once(tmp_path):
    text = """
    top = 1
    [[rule]]
    name = "one"
    category = "sauce"
    importance = "huge"
    colour = "red"
    path = ["!a", "ok", "#b", ""]
    [[rule]]
    category = "docs"
    extension = [1]
    language = ["Pyhton"]
    min_size = -1
    max_lines = "many"
    binary = "maybe"
    [[rule]]
    name = "three"
    category = "docs"
    [[rule]]
    name = "one"
    category = "docs"
    path = []
    """
    assert sorted(reasons(tmp_path, text)) == sorted(
        [
            "top: is not known",
            f"rule 1 (one): category: Must be one of: {', '.join(CATEGORIES)}.",
            "rule 1 (one): importance: Must be one of: high, medium, low.",
            "rule 1 (one): colour: is not known",
            (
                "rule 1 (one): path: a rule's glob can't begin with !: put a rule for the "
                "exception above it"
            ),
            "rule 1 (one): path: '#b' is not a glob",
            "rule 1 (one): path: '' is not a glob",
            "rule 2: name: is required",
            "rule 2: extension: Not a valid string.",
            "rule 2: language: 'Pyhton' is not a language that Pygments or languages.toml knows",
            "rule 2: min_size: Must be greater than or equal to 0.",
            "rule 2: max_lines: Not a valid integer.",
            "rule 2: binary: must be true or false",
            "rule 3 (three): has no condition: give at least one of "
            "path, extension, language, kind, binary, generated, min_size, max_size, "
            "min_lines, max_lines",
            "rule 4 (one): path: Shorter than minimum length 1.",
            "rule 4 (one): name: an earlier rule has this name",
        ]
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "rule: is required"),
        ("rule = []", "rule: Shorter than minimum length 1."),
        ("rule = 3", "rule: Not a valid list."),
        ("rule = [3]", "rule 1: must be a table"),
        ("[[rule]", "must be TOML: "),
        ("a = " + "[" * 5000, "must be TOML: "),
    ],
)
def test_a_file_that_holds_no_rules_is_refused_in_one_line(tmp_path, text, reason):
    (found,) = reasons(tmp_path, text)
    assert found.startswith(reason)
    assert "\n" not in found


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.toml", "no such file"),
        (".", "must be a file of at most 1 MiB"),
        ("a\0b", "not the name of a file"),
    ],
)
def test_a_file_of_rules_that_cant_be_read_is_refused_in_one_line(tmp_path, path, reason):
    found = agent.check({"agent_type": "rule_classifier", "rules": f"{tmp_path}/{path}"}, {})
    assert len(found) == 1
    assert found[0].endswith(f": {reason}")


def test_rules_that_arent_text_are_refused(tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe")
    (found,) = agent.check({"rules": str(path)}, {})
    assert found.startswith("own.toml: must be TOML: ")


def test_bad_rules_fail_the_planning_with_all_mistakes(tmp_path):
    path = rules_file(
        tmp_path, '[[rule]]\nname = "a"\n[[rule]]\nname = "a"\ncategory = "docs"\npath = "x"\n'
    )
    context = FolderContext(agent, agent_type="rule_classifier", rules=path, imports=an_import([]))
    with pytest.raises(StepFailed) as error:
        list(agent.planner(context))
    mistakes = [
        "own.toml: rule 1 (a): category: is required",
        (
            "own.toml: rule 1 (a): has no condition: give at least one of path, extension, "
            "language, kind, binary, generated, min_size, max_size, min_lines, max_lines"
        ),
        "own.toml: rule 2 (a): name: an earlier rule has this name",
    ]
    assert sorted(context.warnings()) == mistakes
    assert sorted(error.value.message.split("; ")) == mistakes


def test_the_rules_that_ship_have_no_mistakes():
    assert agent.check({"rules": None}, {}) == []


# Planning and options


def test_there_is_a_child_for_each_completed_child_of_the_import():
    imports = {"other": ("command", []), **an_import([imported("a.py")], [imported("b.py")])}
    context = FolderContext(agent, agent_type="rule_classifier", imports=imports)
    units = list(agent.planner(context))
    assert [unit.input for unit in units] == [
        {"step": "import_files", "child": "import_files-0"},
        {"step": "import_files", "child": "import_files-1"},
    ]
    assert units[1].name == "batch 2 of import_files"


@pytest.mark.parametrize("imports", [{}, {"other": ("command", [])}])
def test_without_an_import_to_depend_on_planning_fails_in_one_line(imports):
    with pytest.raises(StepFailed, match="needs a local_dir step"):
        list(agent.planner(FolderContext(agent, agent_type="rule_classifier", imports=imports)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"agent_type": "oracle"},
        {"agent_type": "rule_classifier", "rules": ""},
        {"agent_type": "rule_classifier", "x": 1},
    ],
)
def test_it_refuses_bad_options(options):
    with pytest.raises(ValidationError):
        agent.options().load(options)


# The report


def test_the_report_adds_up():
    files = [
        imported("a.py", 100, 10), imported("src/b.py", 200, 20),
        imported("tests/test_b.py", 50, 5), imported("README.md", 10, 1),
        imported("src/logo.png", 1000, binary=True), imported("mystery", 7, 2),
        imported("src/odd.xyzzy", 3, 1), imported("big.sql", 5000, None),
    ]  # fmt: skip
    done = run_step(
        agent, agent_type="rule_classifier", imports=an_import(files[:3], files[3:], skipped=2)
    )
    report = done.summary
    assert (
        report["files"],
        report["bytes"],
        report["lines"],
        report["skipped"],
        report["cut"],
    ) == (8, 6370, 39, 4, False)
    assert report["categories"] == {
        "source": {"files": 3, "bytes": 5300, "lines": 30},
        "test": {"files": 1, "bytes": 50, "lines": 5},
        "unknown": {"files": 2, "bytes": 10, "lines": 3},
        "docs": {"files": 1, "bytes": 10, "lines": 1},
        "asset": {"files": 1, "bytes": 1000, "lines": 0},
    }
    assert report["languages"]["Python"] == {"files": 3, "bytes": 350, "lines": 35}
    assert report["languages"]["(binary)"] == {"files": 1, "bytes": 1000, "lines": 0}
    assert report["languages"]["(unknown)"] == {"files": 2, "bytes": 10, "lines": 3}
    assert report["directories"]["src"] == {"files": 3, "bytes": 1203, "lines": 21}
    for table in ("categories", "languages", "directories", "subcategories", "importance"):
        for field in ("files", "bytes", "lines"):
            assert sum(row[field] for row in report[table].values()) == report[field]
    assert report["largest"][0] == {
        "path": "big.sql",
        "bytes": 5000,
        "lines": 0,
        "category": "source",
        "rule": "queries",
    }
    assert report["unknown"] == {
        "files": 2,
        "examples": ["mystery", "src/odd.xyzzy"],
        "extensions": {"(none)": 1, "xyzzy": 1},
    }
    assert report["rules"]["python"] == 2
    assert report["summary"] == (
        "8 files with 39 lines in 6.4 kB: "
        "38 % source, 25 % unknown, 12 % asset, 12 % docs, 12 % test."
    )


def test_the_report_on_nothing_is_a_report():
    report = run_step(agent, agent_type="rule_classifier", imports=an_import()).summary
    assert (report["files"], report["categories"], report["summary"]) == (
        0,
        {},
        "There is nothing to classify.",
    )


def test_the_report_says_when_the_import_was_cut():
    report = run_step(
        agent,
        agent_type="rule_classifier",
        imports=an_import([imported("a")], cut={"listed": 1, "found": 3}),
    ).summary
    assert (report["cut"], report["listed"], report["found"]) == (True, 1, 3)
    assert report["summary"].startswith("Only the first 1 of 3 files are in this report. ")


def test_the_report_stays_small_however_much_there_is():
    files = [
        imported(f"{'folder' * 40}{number}/{'x' * 200}{number}.{'e' * 200}{number}", number)
        for number in range(2000)
    ]
    report = classify(files).summary
    assert len(json.dumps(report)) < 50_000
    assert report["unknown"]["files"] == report["files"] == 2000
    assert len(report["unknown"]["examples"]) == 20


def test_an_import_of_a_real_folder_is_classified_whole(tmp_path):
    tree = {
        "app/main.py": "x = 1\n", "app/two\nlines.py": "y\n", "tests/test_main.py": "1\n2\n",
        "docs/a.md": "# a\n", "Makefile": "all:\n", "x.png": b"\0", "large.sql": "select 1;\n" * 50,
        "odd\\name": "z",
    }  # fmt: skip
    root = write_tree(tmp_path, tree)
    (root / "link").symlink_to("Makefile")
    done = run_step(local_dir, dir_path=str(root), max_file_size=400)
    report = run_step(
        agent, agent_type="rule_classifier", imports={"import_files": ("local_dir", done.results)}
    ).summary
    for name in ("files", "bytes", "lines", "languages", "directories"):
        assert report[name] == done.summary[name]
    assert {name: row["files"] for name, row in report["categories"].items()} == {
        "source": 3, "test": 1, "docs": 1, "build": 1, "asset": 1, "unknown": 1,
    }  # fmt: skip
    assert report["unknown"]["examples"] == ["odd\\\\name"]
    assert report["skipped"] == 2


def test_matching_is_quick():
    rules = load_rules()
    files = [
        imported(f"src/package{number % 300}/module{number}.{extension}")
        for number in range(1000)
        for extension in ("py", "js", "md", "json", "x")
    ]
    rules.match(files[0])
    began = time.process_time()
    Counter(rule and rule["category"] for rule in map(rules.match, files))
    assert len(files) / (time.process_time() - began) > 5_000


@pytest.mark.slow
@pytest.mark.slow
def test_little_of_a_large_library_stays_unknown():
    done = run_step(local_dir, dir_path=STDLIB, exclude_paths=["site-packages"], max_files=100_000)
    report = run_step(
        agent, agent_type="rule_classifier", imports={"import_files": ("local_dir", done.results)}
    ).summary
    assert report["files"] == done.summary["files"] > 1500
    assert report["unknown"]["files"] < report["files"] / 50
    assert report["categories"]["source"]["files"] > 300
