"""Comments found by patterns: each language by its own rules, every text in a time in
proportion to its length.
"""

import random
import time

import pytest
from pygments.lexers import get_all_lexers

from jobsync.steps.codebase.comments import without_comments
from jobsync.steps.codebase.generated import marks_of
from jobsync.steps.codebase.syntax import PYTHON, SYNTAXES


def kinds(text, language):
    """Return a letter for each line: "c" for code, "-" for a comment, " " for a blank one."""
    kept = without_comments(text, language, lambda: None).split("\n")
    lines = text.split("\n")
    assert len(kept) == len(lines)
    return "".join(
        " " if not line.strip() else "c" if left.strip() else "-"
        for line, left in zip(lines, kept, strict=True)
    )


PYTHON_CASES = [
    ("'''doc\n\nmore'''\nx = 1", "- -c"),
    ("# c\n'doc'\nx = 1\n'not'", "--cc"),
    (
        (
            'def f(\n    a: int,\n    b: str = "x",\n) -> dict[str, int]:\n    """Doc.\n    more\n'
            '    """\n    return {}'
        ),
        "cccc---c",
    ),
    ('f(\n    """\ntext\n    """\n)', "ccccc"),
    ('f(a,\n    """text""")', "cc"),
    ('x = {\n    "a": """\ntext\n""",\n    # c\n}', "cccc-c"),
    ('x = {\n    "a":\n    """\ntext\n"""\n}', "cccccc"),
    ('x = [\n    "("\n    """text"""\n]', "cccc"),
    ('x = \\\n    """text"""', "cc"),
    ('x = 1\n"""attribute doc\nmore\n"""', "c---"),
    ('def f():\n    r"""Compute \\alpha.\n\n    More.\n    """\n    return x', "c- --c"),
    ("def f():\n    r'''raw\n    '''\n    u'not'\nclass A:\n    'doc'\n    x = 1", "c--cc-c"),
    ('def f():\n    # why\n    U"""Doc.\n    more"""  # c\n    return 1', "c---c"),
    ('def f(): """doc"""', "c"),
    ('def f():\n    """doc"""; x = 1', "cc"),
    ('def f():\n    """a""" % x\n    """b""".c()', "ccc"),
    ('def f():\n    return """\ntext\n    """', "cccc"),
    ('f"""\n# no\n{x}"""\nb"""\n# no"""', "ccccc"),
    ("x = \"'''\"  # '''\n# c\ny = '\"\"\"'", "c-c"),
    ("x = '# \\' no'\n# c", "c-"),
    ("x = 1  # it's\n# c", "c-"),
    ("class A:\n    '''doc'''\n    def f(self):\n        '''doc'''", "c-c-"),
]
CASES = {
    "Ada": [('-- c\nx := "--";\ny := \'"\'; -- c\n-- c', "-cc-")],
    "Awk": [('# c\n{ print "#" }\n/[/#"]/ { x }\n# c', "-cc-")],
    "Bash": [
        ('# c\ncat <<EOF\n# no\nEOF\n# c\necho "${#x} # no"\necho $# a#b\n# c', "-ccc-cc-"),
        ("cat <<-'END' | sed s/a/b/\n\t# no\n\tEND\n# c", "ccc-"),
        ("echo $((1<<x))\n# c\ny=1", "c-c"),
        ("x='a\n# no\n'\n# it's\ny=$'\\''\n# c", "ccc-c-"),
        ('t="$(echo $p | sed "s/\\"/\'/g")"\n# c\nu=1', "c-c"),
    ],
    "Batchfile": [
        ("@echo off\nREM c\n:: c\nrem\n@rem c\necho hi & rem tail\nremove.exe\n", "c----cc ")
    ],
    "C": [
        (
            (
                '// c \\\n still\nchar *s = "/*";\nint x; /* c */\n#if 0\nint y;\n#if 1\n#endif\n'
                "#else\nint z;\n#endif"
            ),
            "--ccc---ccc",
        ),
        ("/* a\n\n b */ int x;\nchar q = '\"'; // c\n/* c */", "- cc-"),
        ("# if 0 && X\nint y;\n# endif\nint z;", "c-cc"),
    ],
    "C#": [
        ('// c\nvar s = @"/* \\";\nvar t = """\n// no\n""";\n/// <summary>\n#region x', "-cccc-c"),
        ('var s = $"{x["/*"]} {{ /* ";\nint y;\nvar u = $@"a\n// no\n""";\n// c', "ccccc-"),
    ],
    "C++": [
        ("int x = 1'000'000; // c\nchar c = '\"';\nint y;\n// c", "ccc-"),
        ('auto s = R"(/* )";\nint x;\nauto t = R"x(\n// no )"\n)x";\n/* c */', "ccccc-"),
    ],
    "CMake": [
        ('# c\n#[[ a\nb ]]\nset(x "# no")\n#[==[ a\n]] b\n]==]\nset(y [[\n# no\n]])', "---c---ccc")
    ],
    "CSS": [
        ("/* a */\n// not one\n{ color: red }\na{background:url(//x/*)}\nb{}/* c\nc */", "-cccc-")
    ],
    "Clojure": [('; c\n#_(ignored)\n(str "; no" \\; x)\n; c', "--c-")],
    "CoffeeScript": [('# c\n###\nblock\n###\nx = "# no #{y "}"}"\nz = /#/\n# c', "----cc-")],
    "Common Lisp": [('; c\n#| a #| b |#\n c |#\n(print "; no" #\\; #\\" x)\n; c', "---c-")],
    "D": [
        (
            "/+ a /+ b +/ c +/\nvoid main() {}\nauto s = `/*`;\nint x;\n/* a /* b */\nint y;",
            "-ccc-c",
        )
    ],
    "Dart": [
        (
            (
                "/// doc\nvar s = '''\n// no\n''';\n/* a /* b */ c */\nvar t = \"${f(\"/*\")}\";\n"
                "var r = r'\\';\n// c"
            ),
            "-ccc-cc-",
        ),
    ],
    "Delphi": [("{ c }\n(* c *)\n// c\n{$R *.res}\nx := '{ it''s';\n{ c\n c }", "---cc--")],
    "Docker": [("# c\nFROM x\nRUN <<EOF\n# in heredoc\nEOF\n# c", "-cccc-")],
    "EmacsLisp": [(';; c\n(message "; no" ?\\; ?\\" ?a)\n; c', "-c-")],
    "Elixir": [
        ('@moduledoc """\n# doc\n"""\n# c\ndef f, do: "# no #{x("#")}"\n?#\n# c', "ccc-cc-")
    ],
    "Elm": [('{- a {- b -}\n c -}\nx = """\n-- no\n"""\n-- c', "--ccc-")],
    "Erlang": [('% c\nf() -> "% no". % c\ng() -> $%.\nh() -> $".\n% c', "-ccc-")],
    "F#": [('(* a\n (* b *) *)\nlet x = "(*" // c\n/// doc\nlet (*) a b = @"\\"\n// c', "--c-c-")],
    "Fortran": [("! c\nprint *, \"! no\" ! c\nx = 'it''s !'\n! c", "-cc-")],
    "FortranFixed": [("C c\n* c\n      PROGRAM A\n! c\n      END", "--c-c")],
    "Go": [("// c\npackage a\nvar s = `// no\n/* no`\n/* c\n*/\nvar r = '\"'\n// c", "-ccc--c-")],
    "GraphQL": [('# c\n"""\n# doc\n"""\ntype A { a: Int }', "-cccc")],
    "Groovy": [
        ('// c\ndef s = """\n// no ${x "}"}\n"""\n/* c */\ndef r = ~/[\'"]/\n// c', "-ccc-c-")
    ],
    "HTML": [
        (
            (
                "<!-- c\n c -->\n<p>x</p>\n<script>\n// js\nlet a = '</p>';\n</script>\n<style>\n"
                "/* c */ a {}\n/* c */\n</style>"
            ),
            "--cc-cccc-c",
        ),
        (
            (
                '<script type="text/template">\n// text\n<!-- c -->\n</script>\n'
                '<STYLE lang="scss">\n// c\n</STYLE>'
            ),
            "cc-cc-c",
        ),
    ],
    "HTML+Django/Jinja": [
        ("{# c #}\n<p>{{ x }}</p>\n{% comment %}\nc\n{% endcomment %}\n", "-c--- ")
    ],
    "HTML+Handlebars": [("{{! c }}\n{{!-- a }} b\n--}}\n<p>{{x}}</p>", "---c")],
    "HTML+Twig": [("{# c #}\n<p>{{ x }}</p>", "-c")],
    "Haml": [("-# c\n   c\n\n%p x\n  -# c\n  %b y\n/ c\n  c", "-- c-c--")],
    "Haskell": [
        (
            (
                '{- a {- b -} c -}\nmain = print "{-"\n-- c\nx = a --> b\n{-# LANGUAGE X #-}\n'
                "y' = '\"'\n--- c"
            ),
            "-c-ccc-",
        )
    ],
    "INI": [("; c\n[a]\n# c\nb=1 ; no", "-c-c")],
    "JSX": [
        (
            "const a = <div>\n{/* c */}\n// text\n</div>;\n// c\nlet b = <i>don't</i>; /* c\n*/",
            "cccc-c-",
        )
    ],
    "Java": [
        (
            (
                '/** doc */\nclass A { String s = "//"; }\nString t = """\n  /* no \\"""\n  """;\n'
                "char c = '\"'; // c\n// c"
            ),
            "-ccccc-",
        )
    ],
    "JavaScript": [
        ("const r = /[/*]/;\nlet x = 1; // c\n/* a\n b */", "cc--"),
        ('const a = "/*";\nconst b = 1;\nconst c = "*/";', "ccc"),
        ("const u = `http://x\n// not\n/* nor */ ${f(`// ${g({a: '}'})}`)}\n`;\n// c", "cccc-"),
        ("x = a / b; // c\ny = c / d / e\n// c\nreturn /'/.test(z)\n/* c */", "cc-c-"),
        ("let a=1;\u2028// c\nlet b;\n// c\u2028code", "ccc"),
        ("s = 'a \\\n// no'\n// c", "cc-"),
    ],
    "Julia": [('#= a\n#= b =# c =#\nx = "#"\n# c\ny = """\n# no\n"""\nz = a\'\n# c', "--c-cccc-")],
    "Kotlin": [
        (
            (
                '/* a /* b */ c */\nfun main() {}\nval s = """ // no\n/* no */ """\n'
                'val t = "${f("/*")} $x"\nval c = \'"\'\n// c'
            ),
            "-ccccc-",
        ),
        ('val s = """a\\"""\n// c', "c-"),
    ],
    "Lua": [('--[==[ a\n]] b\n]==]\nlocal x = [[ -- no\n]]\n-- c\nprint("--") -- c', "---cc-c")],
    "Makefile": [("# c\nall:\n\techo hi # x\n\t# c\n# c \\\n still\nx = 1", "-cc---c")],
    "Matlab": [("% c\nx = 1; % c\n%{\nblock\n%{\n%}\n%}\ny = x';\n%{ c\nz = 1;", "-c-----c-c")],
    "Nginx configuration file": [("# c\nserver { x '#'; }\n# c", "-c-")],
    "Nimrod": [('# c\n#[ a\n#[ b ]#\n]#\n##[ a\n]##\necho "# no"', "------c")],
    "OCaml": [
        (
            '(* a (* b *)\n c *)\nlet x = "(*"\nlet y = {|(*|}\nlet z = \'"\' (* c *)\n(* c *)',
            "--ccc-",
        )
    ],
    "PHP": [
        (
            (
                '<?php\n// c ?> <b>x</b>\n<?php\n# c\n/* c */\n$a = "// no";\n$h = <<<EOT\n# no\n'
                "EOT;\n#[Attr]\n"
            ),
            "ccc--ccccc ",
        ),
        ("<!-- c -->\n// text\n<?= $x /* c */ ?>\n# text\n<?php $s = '\n// no';\n// c", "-ccccc-"),
    ],
    "PowerShell": [('# c\n<# a\nb #>\n$x = "# no"\n$y = @"\n# no "\n"@\n# c', "---cccc-")],
    "Prolog": [(":- module(a, []).\n% c\na :- X = 0'%, b('%').\n/* c\n*/", "c-c--")],
    "Properties": [("# c\n! c\na=b \\\n  # no\n# c", "--cc-")],
    "Protocol Buffer": [('// c\nsyntax = "proto3";\n/* c */', "-c-")],
    "Pug": [("// c\n   c\n//- c\np x", "---c")],
    "RHTML": [("<%# c %>\n<p><%= x %></p>\n<%\n  # c\n  y = '# no'\n%>", "-cc-cc")],
    "Ruby": [
        ('=begin\ndoc\n=end\nx = <<~EOS\n  # no\nEOS\n# c\ny = "#{z "#"} # no"\n# c', "---ccc-c-"),
        (
            (
                "r = /['#\"]/\n# c\na = %w(x # (y)\n# no\n)\n# c\nb = ?\"\nc = %r!'!\n# c\n"
                "__END__\n# data"
            ),
            "c-ccc-cc-cc",
        ),
        ("class << self\n# c\nend\nx << Y\n# c", "c-cc-"),
    ],
    "Rust": [
        (
            (
                '/* a /* b */ c */\nfn main() {}\n/// doc\n//! inner\nlet s = r#"/* "#;\n'
                "let t = 1;\n// c"
            ),
            "-c--cc-",
        ),
        (
            (
                "fn f<'a>(x: &'a str) {} // '\n// c\nlet c = '\"';\nlet d = '\\'';\nlet e = \"a\n"
                '// no";\n// c'
            ),
            "c-cccc-",
        ),
    ],
    "S": [('# c\nx <- "# no" # c\ny <- r"(\n# no ")"\n# c', "-ccc-")],
    "SCSS": [("// c\n/* c */\n$a: 1; // c\nb { c: url(http://x) }\n// c", "--cc-")],
    "SQL": [
        ("-- c\nSELECT '--no' /* c */;\n/* a\nb */\n# mysql c\n#temp", "-c---c"),
        ("x LIKE 'a' ESCAPE '\\'\n-- c\nINSERT 'it\\'s', 'it''s';\n-- c", "c-c-"),
    ],
    "Sass": [("// c\n   c\na\n  b: c // d\n/* c\n   c", "--cc--")],
    "Scala": [
        (
            (
                '/* a /* b */ c */\nobject A\nval s = s"${f("/*")}"\nval c = \'"\'\n'
                "val d = 'sym\n// c"
            ),
            "-cccc-",
        ),
        ('object Win {\n  val unc = "' + "\\" * 60 + "\n}\n// c", "ccc-"),
    ],
    "Slim": [("/ c\n  c\np x", "--c")],
    "Smarty": [("{* a\n b *}\n{$x}", "--c")],
    "Swift": [
        (
            (
                '/* a /* b */ c */\nlet s = """\n// no \\(f("""\n/* """))\n"""\nlet t = #"\\"#\n'
                'let u = "\\(x["/*"])"\n// c'
            ),
            "-cccccc-",
        ),
    ],
    "TOML": [('a = """\n# text\n"""\n# c\nb = \'\\\'\n# c', "ccc-c-")],
    "Tcl": [('# c\nset x 1 ;# c\n# c \\\n still\nputs "# no"', "-c--c")],
    "TeX": [
        (
            (
                "% c\nx \\% no\n\\begin{comment}\nc\n\\end{comment}\n\\begin{verbatim}\n% no\n"
                "\\end{verbatim}"
            ),
            "-c---ccc",
        )
    ],
    "Terraform": [
        ('# c\n// c\n/* c */\nx = "# no ${y("/*")}"\ny = <<EOF\n# no\nEOF\n# c', "---cccc-")
    ],
    "Transact-SQL": [("/* a /* b */\nc */\nSELECT 1 -- c", "--c")],
    "TypeScript": [
        (
            "// c\nconst a: string = `//`;\nconst r = /\\/\\*/;\nlet g = a < b; // c\n/* c */",
            "-ccc-",
        )
    ],
    "VB.net": [("' c\nDim x = \"'\" ' c\nREM c\nrem\nremark()", "-c--c")],
    "VimL": [('" c\nlet x = "no"\n  " c', "-c-")],
    "Vue": [
        (
            (
                "<template>\n<!-- c -->\n</template>\n<script>\n// c\nexport default {}\n"
                '</script>\n<style lang="less">\n// c\n</style>'
            ),
            "c-cc-ccc-c",
        )
    ],
    "XML": [("<!-- c\n-->\n<a><![CDATA[<!-- no -->]]></a>\n<!-- c -->", "--c-")],
    "YAML": [
        ('a: |\n  # text\n  b\n# c\nc: "# no"\n# c', "ccc-c-"),
        (
            (
                "- name: x\n  run: |\n    # text\n\n    y\n  # c\n- |\n  # text\n# c\n"
                "- k: >-  # c\n   # text\n  # c"
            ),
            "ccc c-cc-cc-",
        ),
    ],
    "Zig": [("// c\nconst s =\n    \\\\// no\n;\nconst c = '\"';\n// c", "-cccc-")],
    "systemverilog": [('// c\nx = 4\'b0; /* c\n*/\n$display("/*");', "-c-c")],
    "verilog": [("// c\nmodule a; endmodule\n/* c */\nx = 4'hF; // c\n// c", "-c-c-")],
    "vhdl": [("-- c\nentity a is end a;\nx <= '\"'; -- c\n/* c */", "-cc-")],
}


@pytest.mark.parametrize(("text", "expected"), PYTHON_CASES)
def test_docstrings_are_comments_and_other_strings_code(text, expected):
    assert kinds(text, "Python") == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [(language, *case) for language, cases in CASES.items() for case in cases],
)
def test_comments_are_found_by_the_rules_of_the_language(language, text, expected):
    assert kinds(text, language) == expected


def test_the_languages_are_those_that_files_get():
    assert SYNTAXES.keys() | PYTHON <= {name for name, *_ in get_all_lexers(plugins=False)} | {
        "Svelte"
    }


# Time in proportion to the length

SIZES = (2_000, 16_000)
PIECES = [
    *(
        "/*",
        "*/",
        "//",
        "/",
        "=/",
        "=/[",
        "=/[\\",
        "'",
        '"',
        "`",
        "\\",
        "=\\",
        "#",
        "--",
        "{-",
        "-}",
        "(*",
        "*)",
        "/+",
        "#|",
        "#=",
        "#[",
        "]#",
    ),
    *(
        "<!--",
        "-->",
        "<![CDATA[",
        "<script>",
        "<script",
        "<style>",
        "</",
        "<?php ",
        "?>",
        "<%",
        "<%#",
        "{#",
        "{%",
        "{% comment %}",
        "{{!--",
        "{{",
    ),
    *(
        "${",
        "`${",
        '"${',
        "#{",
        '"#{',
        "\\(",
        '"\\(',
        '"$(',
        '$"{',
        "{$",
        "}",
        "(",
        ")",
        '"""',
        '"""\n',
        "'''",
        '@"',
        '@$"',
        'r#"',
        'R"(',
        'R"x(',
    ),
    *(
        "[[",
        "]]",
        "--[==[",
        "[====",
        "#[[",
        "<<EOF",
        "<<EOF\n",
        "<<-a ",
        "<<<",
        "\n",
        "\n ",
        "\n\t#",
        "\n#",
        "\n//",
        "\n  /",
        "\n-#\n ",
        "\n;",
    ),
    *(
        "#if 0\n",
        "\n#if 0\n",
        "\n#endif",
        "\n=begin",
        "\n=end",
        "%w(",
        "%r!",
        "?'",
        "$'",
        "0'",
        "a: |\n",
        "a: |\n  b",
        "- |\n",
        "- ",
        ": '",
    ),
    *(
        "\\begin{comment}",
        "\\begin{verbatim}",
        "///",
        "###",
        "''",
        "{|",
        "{a|",
        "\n%{\n",
        "<",
        ">",
        "<a>",
        "x ",
        " ",
        "\t",
        "=",
        "x=[",
        "x=(\n'''a'''\n",
    ),
]


def texts(size):
    """Yield texts of a size that begin much and end little: each piece again and again,
    mixtures, and words that differ.
    """
    for piece in PIECES:
        yield piece * (size // len(piece))
    dice = random.Random(1)
    for _ in range(60):
        mixture = "".join(dice.choices(PIECES, k=dice.randint(2, 4)))
        yield mixture * (size // len(mixture))
    yield "".join(dice.choices(PIECES, k=size // 3))
    yield " ".join(f"<<A{number}" for number in range(size // 8))
    yield "".join(f"{' ' * number}a: |\n" for number in range(int((2 * size) ** 0.5)))


def seconds_for(text, do):
    started = time.process_time()
    do(text)
    return time.process_time() - started


@pytest.mark.parametrize(
    "language", [*{id(syntax): name for name, syntax in SYNTAXES.items()}.values(), "Python"]
)
@pytest.mark.slow
def test_no_text_takes_more_than_a_time_in_proportion_to_its_length(language):
    def find(text):
        kept = without_comments(text, language, lambda: None)
        assert kept.count("\n") == text.count("\n") and len(kept) <= len(text)

    apart = []
    for small, large in zip(*map(texts, SIZES), strict=True):
        if seconds_for(large, find) > 0.02:  # else it is quick, whatever the ratio
            ratio = min(seconds_for(large, find) for _ in range(2)) / (
                min(seconds_for(small, find) for _ in range(3)) + 0.0005
            )
            if ratio > 3 * SIZES[1] / SIZES[0]:
                apart.append((small[:40], ratio))
    assert apart == []


def test_telling_generated_files_takes_a_time_in_proportion_too():
    pieces = [
        "# generated file do not edit ",
        "// code generated ",
        "# file " * 40,
        "@generated",
        "# module auto",
        "# do not edit generated ",
    ]
    for piece in pieces:
        line = (piece * 5_000)[:5_000] + "generated by\n"
        assert seconds_for(line * 200, lambda text: marks_of("a.js", "JavaScript", text)) < 1
