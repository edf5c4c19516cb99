"""What comments and strings look like in the languages that most files are of: data for
`comments.py`.

Every pattern here takes time in proportion to what it reads, whatever that is. So an alternative
that has read more than a few characters must match: what should be closed and isn't goes on to the
end (of the line or of the text), repeats are possessive, and repeated parts begin with different
characters.
"""

import re
from typing import NamedTuple


class Holed(NamedTuple):
    """A kind of string with holes that have code in them, which may have such strings again.

    begin: a pattern of its beginning. end: a pattern of its end. hole: a pattern of a hole's
    beginning. brackets: what opens and closes the hole. skip: a pattern of what is neither, but
    looks like it.
    """

    begin: str
    end: str
    hole: str
    brackets: str = "{}"
    skip: str = r"\\[\s\S]"


class Embedded(NamedTuple):
    """A part in another language. begin, end: patterns, the end without regard to case; end
    None: what ends that language ends it. syntax: its Syntax.
    """

    begin: str
    syntax: object
    end: str | None


class Syntax(NamedTuple):
    """What to look for in a language, as patterns; the first one that fits wins. A text is read
    with a newline in front.

    comments: of whole comments. nested: (begin, end) of comments that have their like within.
    strings: of what comments don't begin in. holed: kinds of strings. embedded: parts in other
    languages. special: (name, pattern) of what a function of `comments.py` goes on from. ends: what
    ends it where it is supervisor.
    """

    comments: tuple = ()
    nested: tuple = ()
    strings: tuple = ()
    holed: tuple = ()
    embedded: tuple = ()
    special: tuple = ()
    ends: str | None = None

    def __add__(self, other):
        """Return what has all of both; in doubt the other one wins."""
        return Syntax(
            *(theirs + ours for ours, theirs in zip(self[:6], other[:6], strict=True)),
            other.ends or self.ends,
        )


# Parts of patterns


def to_line_end(begin):
    return begin + r"[^\n]*+"


def between(begin, end):
    """Return a pattern of what begins with a pattern and goes on to a text, or to the end."""
    first, rest = re.escape(end[0]), re.escape(end[1:])
    other = f"|{first}(?!{rest})" if rest else ""
    return f"{begin}(?:[^{first}]++{other})*+(?:{re.escape(end)})?+"


def quoted(quote, escape=r"\\"):
    """Return a pattern of a string on one line, or on several if the newlines are escaped."""
    return rf"{quote}(?:[^{quote}{escape}\n]++|{escape}[\s\S])*+{quote}?+"


def quoted_lines(quote, escape=r"\\"):
    """Return a pattern of a string on any number of lines."""
    return rf"{quote}(?:[^{quote}{escape}]++|{escape}[\s\S])*+{quote}?+"


def doubled(quote, lines=True):
    """Return a pattern of a string that has its quotes twice within, on any number of lines or
    on one.
    """
    newline = "" if lines else r"\n"
    return f"{quote}(?:[^{quote}{newline}]++|{quote}{quote})*+{quote}?+"


def tripled(quote):
    return rf"{quote * 3}(?:[^{quote}\\]++|\\[\s\S]|{quote}(?!{quote * 2}))*+(?:{quote * 3})?+"


def in_brackets(begin, opening, closing):
    """Return a pattern of what begins with a pattern and is in brackets, which may have one
    pair of their like within.
    """
    first, last = re.escape(opening), re.escape(closing)
    return (
        rf"{begin}{first}"
        rf"(?:[^{first}{last}\\]++|\\[\s\S]|{first}[^{first}{last}]*+{last})*+"
        rf"{last}?+"
    )


def on_a_line_of_its_own(begin, indented=True):
    """Return a pattern of what goes on to the end of the line that it is the first thing on."""
    return to_line_end((r"\n[ \t\f]*+" if indented else r"\n") + begin)


def with_what_is_deeper(begin):
    """Return a pattern of a line and those below it that are further in."""
    return (
        rf"\n(?P<depth>[ \t]*+){begin}[^\n]*+(?:\n(?:(?P=depth)[ \t]++[^\n]++|[ \t]*+(?=\n|\Z)))*+"
    )


def heredoc(begin):
    """Return a special: `begin` is a pattern of what stands before the word; the text goes on
    to the line that is that word.
    """
    return (
        "heredoc",
        rf"{begin}(?P<quote>[\"'`]?)(?P<word>[A-Za-z_][A-Za-z0-9_]{{0,60}})(?P=quote)",
    )


DOUBLE, SINGLE = quoted('"'), quoted("'")
DOUBLE_LINES, SINGLE_LINES = quoted_lines('"'), quoted_lines("'")
RAW_DOUBLE, RAW_SINGLE = between('"""', '"""'), between("'''", "'''")
SLASHES, HASH, DASHES, PERCENT, SEMICOLON = map(to_line_end, ("//", "#", "--", "%", ";"))
STARRED = between(r"/\*", "*/")
STARRED_NESTED = (r"/\*", r"\*/")
PARENTHESES_NESTED = (r"\(\*(?!\))", r"\*\)")
# A character, where a single quote may also begin a name, or stand within one
CHARACTER = r"'(?<!\w')(?:[^'\\\n]|\\(?:u\{[0-9A-Fa-f_]{1,8}\}|[^\n][^'\n]{0,8}))'"
# A regular expression stands where a value can't have come just before
END_OF_VALUE = r"[\w)\]}'\"`$.<]"
AFTER_WORDS = "|".join(
    rf"(?<=\b{word} /)" for word in ("return", "typeof", "case", "when", "if", "and", "or")
)
REGEX = (
    rf"/(?:(?<!{END_OF_VALUE}/)(?<!{END_OF_VALUE} /)|{AFTER_WORDS})(?![/*>= \n])"
    r"(?:[^/\\\[\n]++|\\[^\n]|\[(?:[^\]\\\n]++|\\[^\n])*+\]?+)*+/?+"
)
HTML_COMMENT = between("<!--", "-->")

# Languages that are written like C

C_LIKE = Syntax(comments=(SLASHES, STARRED), strings=(DOUBLE, SINGLE))
C = Syntax(
    comments=(r"//(?:[^\\\n]++|\\[\s\S])*+", STARRED),
    strings=(
        r'"(?<=R")(?P<mark>[^()\\\s"]{0,16})\((?:[^)]++|\)(?!(?P=mark)"))*+(?:\)(?P=mark)")?+',
        DOUBLE,
        r"'(?<![0-9A-Fa-f]')(?:[^'\\\n]++|\\[\s\S])*+'?+",
    ),
    special=(("if_0", r"#[ \t]*+if[ \t]++0[ \t]*+(?=[\n/]|&&|\Z)"),),
)
JAVA = Syntax(comments=(SLASHES, STARRED), strings=(tripled('"'), DOUBLE, SINGLE))
C_SHARP = Syntax(
    comments=(SLASHES, STARRED),
    strings=(
        r'"(?:(?<=@")|(?<=@\$"))(?:[^"]++|"")*+"?+',
        r'(?P<many>"{3,8})(?:[^"]++|(?!(?P=many))"++)*+(?:(?P=many))?+',
        CHARACTER,
        r'"(?<!\$")(?:[^"\\\n]++|\\[\s\S])*+"?+',
    ),
    holed=(Holed(r'"(?<=\$")', r'"|(?=\n)', r"\{(?!\{)", skip=r"\\[\s\S]|\{\{"),),
)
GO = Syntax(comments=(SLASHES, STARRED), strings=(DOUBLE, between("`", "`"), SINGLE))
RUST = Syntax(
    comments=(SLASHES,),
    nested=(STARRED_NESTED,),
    strings=(
        r'#(?<=r#)(?P<hashes>#{0,7})"(?:[^"]++|"(?!#(?P=hashes)))*+(?:"#(?P=hashes))?+',
        r'"(?:(?<=\br")|(?<=\bbr")|(?<=\bcr"))[^"]*+"?+',
        DOUBLE_LINES,
        r"'(?:[^'\\\n]|\\(?:u\{[0-9A-Fa-f_]{1,8}\}|[^\n][^'\n]{0,2}))'",
    ),
)
KOTLIN = Syntax(
    comments=(SLASHES,),
    nested=(STARRED_NESTED,),
    strings=(CHARACTER, quoted("`")),
    holed=(Holed('"""', '"""+', r"\$\{", skip=r"(?!)"), Holed('"', r'"|(?=\n)', r"\$\{")),
)
SCALA = KOTLIN
DART = Syntax(
    comments=(SLASHES,),
    nested=(STARRED_NESTED,),
    strings=(
        between(r"'''(?<=\br''')", "'''"),
        between(r'"""(?<=\br""")', '"""'),
        r"'(?<=\br')[^'\n]*+'?+",
        r'"(?<=\br")[^"\n]*+"?+',
    ),
    holed=tuple(
        Holed(quote, end, r"\$\{")
        for quote, end in (("'''", "'''"), ('"""', '"""'), ("'", r"'|(?=\n)"), ('"', r'"|(?=\n)'))
    ),
)
SWIFT = Syntax(
    comments=(SLASHES,),
    nested=(STARRED_NESTED,),
    strings=(
        r'(?P<hashes>#{1,8})"""(?:[^"]++|"(?!""(?P=hashes)))*+(?:"""(?P=hashes))?+',
        r'(?P<hash>#{1,8})"(?:[^"\n]++|"(?!(?P=hash)))*+(?:"(?P=hash))?+',
    ),
    holed=(Holed('"""', '"""', r"\\\(", "()"), Holed('"', r'"|(?=\n)', r"\\\(", "()")),
)
GROOVY = Syntax(
    comments=(SLASHES, STARRED),
    strings=(tripled("'"), SINGLE, REGEX),
    holed=(Holed('"""', '"""', r"\$\{"), Holed('"', r'"|(?=\n)', r"\$\{")),
)
D = Syntax(
    comments=(SLASHES, STARRED),
    nested=((r"/\+", r"\+/"),),
    strings=(between("`", "`"), r'"(?<=\br")[^"]*+"?+', DOUBLE_LINES, CHARACTER),
)
TEMPLATE = Holed("`", "`", r"\$\{")
JAVASCRIPT = Syntax(
    comments=(r"//[^\n\u2028\u2029]*+", STARRED), strings=(DOUBLE, SINGLE, REGEX), holed=(TEMPLATE,)
)
# Text between tags, which may look like a comment
JSX = JAVASCRIPT + Syntax(
    strings=(r">(?<!=>)[^<>{}();=]++(?=[<{])", r"\}\s*+//[^<>{}();=]*+(?=</)")
)
CSS = Syntax(comments=(STARRED,), strings=(DOUBLE, SINGLE, r"\((?<=url\()(?![\"'])[^)\n]*+"))
SCSS = CSS + Syntax(comments=(SLASHES,))
PHP_CODE = Syntax(
    comments=(r"(?://|#(?!\[))(?:[^\n?]++|\?(?!>))*+", STARRED),
    strings=(SINGLE_LINES,),
    holed=(Holed('"', '"', r"\{(?=\$)"),),
    special=(heredoc(r"<<<[ \t]*+"),),
    ends=r"\?>",
)
TERRAFORM = Syntax(
    comments=(HASH, SLASHES, STARRED),
    holed=(Holed('"', r'"|(?=\n)', r"\$\{", skip=r"\\[\s\S]|\$\$\{"),),
    special=(heredoc(r"<<-?+"),),
)
VERILOG = Syntax(comments=(SLASHES, STARRED), strings=(DOUBLE,))
ZIG = Syntax(comments=(SLASHES,), strings=(r"\\\\[^\n]*+", DOUBLE, CHARACTER))
PASCAL = Syntax(
    comments=(SLASHES, between(r"\{(?!\$)", "}"), between(r"\(\*(?!\$)", "*)")),
    strings=(doubled("'", lines=False),),
)

# Languages whose comments begin with #

BASH = Syntax(
    comments=(to_line_end(r"#(?<![^\s;&|()]#)"),),
    strings=(r"\\[\s\S]", r"'(?<=\$')(?:[^'\\]++|\\[\s\S])*+'?+", r"'[^']*+'?+"),
    holed=(Holed('"', '"', r"\$\(", "()"),),
    special=(heredoc(r"<<(?![<=])-?+[ \t]*+\\?+"),),
)
POWERSHELL = Syntax(
    comments=(between("<#", "#>"), to_line_end(r"#(?<![\w$`]#)")),
    strings=(
        r"@\"[ \t]*+\n(?:[^\n]++|\n(?!\"@))*+(?:\n\"@)?+",
        r"@'[ \t]*+\n(?:[^\n]++|\n(?!'@))*+(?:\n'@)?+",
        r"`[\s\S]",
        quoted_lines('"', "`"),
        doubled("'"),
    ),
)
HASH_LINES = Syntax(comments=(on_a_line_of_its_own("#"),))
MAKEFILE = Syntax(comments=(r"\n[ \t]*+#(?:[^\\\n]++|\\[\s\S])*+",))
DOCKER = Syntax(comments=(on_a_line_of_its_own("#"),), special=(heredoc("<<-?+"),))
CMAKE = Syntax(
    comments=(
        r"#\[(?P<level>={0,100})\[(?:[^\]]++|\](?!(?P=level)\]))*+(?:\](?P=level)\])?+",
        HASH,
    ),
    strings=(
        r"\[(?P<depth>={0,100})\[(?:[^\]]++|\](?!(?P=depth)\]))*+(?:\](?P=depth)\])?+",
        r"\\.",
        DOUBLE_LINES,
    ),
)
YAML = Syntax(
    comments=(to_line_end(r"#(?<!\S#)"),),
    strings=(
        r'"(?:(?<=: ")|(?<=- ")|(?<=[\[{]"))(?:[^"\\]++|\\[\s\S])*+"?+',
        r"'(?:(?<=: ')|(?<=- ')|(?<=[\[{]'))(?:[^']++|'')*+'?+",
    ),
    special=(("block_scalar", r"[|>](?<= [|>])[-+0-9]{0,2}[ \t]*+(?:#[^\n]*+)?+(?=\n)"),),
)
TOML = Syntax(comments=(HASH,), strings=(tripled('"'), RAW_SINGLE, DOUBLE, r"'[^'\n]*+'?+"))
R = Syntax(
    comments=(HASH,),
    strings=(
        r"[\"'](?:(?<=\br[\"'])|(?<=\bR[\"']))(?P<dashes>-{0,8})\((?:[^)]++|\)(?!(?P=dashes)[\"']))*+(?:\)(?P=dashes)[\"'])?+",
        DOUBLE_LINES,
        SINGLE_LINES,
        quoted("`"),
    ),
)
JULIA = Syntax(
    comments=(HASH,), nested=(("#=", "=#"),), strings=(tripled('"'), DOUBLE_LINES, CHARACTER)
)
NIM = Syntax(
    comments=(HASH,),
    nested=((r"##?+\[", r"\]##?+"),),
    strings=(RAW_DOUBLE, r'"(?<=\br")[^"\n]*+"?+', DOUBLE, CHARACTER),
)
RUBY = Syntax(
    comments=(
        to_line_end(r"#(?<!\S#)"),
        r"\n=begin\b(?:[^\n]++|\n(?!=end\b))*+(?:\n=end[^\n]*+)?+",
    ),
    strings=(
        r"\n__END__(?=\n)[\s\S]*+",
        r"\?(?<!\w\?)(?:\\.|[\"'`#/])(?!\w)",
        r"\$[\"'`/;]",
        SINGLE_LINES,
        quoted_lines("`"),
        *(
            in_brackets(r"%(?:(?<!\w%)[qQwWiIrxs]|(?<=[\s(,=]%))", *pair)
            for pair in ("()", "[]", "{}")
        ),
        r"%(?<!\w%)[qQwWiIrxs](?P<with>[!|/@,;:~])(?:(?!(?P=with))[^\\\n]|\\[^\n])*+(?:(?P=with))?+",
        REGEX,
    ),
    holed=(Holed('"', '"', r"#\{"),),
    special=(heredoc(r"<<(?:[~-]|(?=[\"'`]?[A-Z]))"),),
)
COFFEESCRIPT = Syntax(
    comments=(between("###(?!#)", "###"), HASH),
    strings=(tripled("'"), SINGLE_LINES, between("///", "///"), REGEX),
    holed=(Holed('"""', '"""', r"#\{"), Holed('"', '"', r"#\{")),
)
ELIXIR = Syntax(
    comments=(HASH,),
    strings=(r"\?(?<!\w\?)(?:\\.|[\"'#])", tripled("'"), SINGLE_LINES),
    holed=(Holed('"""', '"""', r"#\{"), Holed('"', '"', r"#\{")),
)
AWK = Syntax(comments=(HASH,), strings=(DOUBLE, REGEX))
TCL = Syntax(comments=(r"\n[ \t]*+#(?:[^\\\n]++|\\[\s\S])*+",))
GRAPHQL = Syntax(comments=(HASH,), strings=(tripled('"'), DOUBLE))
NGINX = Syntax(comments=(to_line_end(r"#(?<!\S#)"),), strings=(r"\\.", DOUBLE_LINES, SINGLE_LINES))
NIX = Syntax(comments=(HASH, STARRED), strings=(between("''", "''"), DOUBLE_LINES))

# Other languages

# In some dialects a backslash escapes the quote, in some it is a character like others, as in
# ESCAPE '\\': what follows tells
SQL_STRING = r"'(?:[^'\\]++|''|\\[^']|\\'(?![\s,;)]|\Z)|\\)*+'?+"
SQL = Syntax(
    comments=(DASHES, STARRED, on_a_line_of_its_own(r"#(?=[ \t])")),
    strings=(SQL_STRING, doubled('"'), quoted("`")),
)
TRANSACT_SQL = Syntax(
    comments=(DASHES,), nested=(STARRED_NESTED,), strings=(doubled("'"), doubled('"'))
)
LUA = Syntax(
    comments=(
        r"--\[(?P<level>={0,100})\[(?:[^\]]++|\](?!(?P=level)\]))*+(?:\](?P=level)\])?+",
        DASHES,
    ),
    strings=(
        r"\[(?P<depth>={0,100})\[(?:[^\]]++|\](?!(?P=depth)\]))*+(?:\](?P=depth)\])?+",
        DOUBLE,
        SINGLE,
    ),
)
HASKELL = Syntax(
    comments=(to_line_end(r"-(?<![!#$%&*+./<=>?@\\^|~:-]-)-++(?![!#$%&*+./<=>?@\\^|~:])"),),
    nested=((r"\{-(?!#)", "-}"),),
    strings=(DOUBLE, CHARACTER),
)
ELM = HASKELL + Syntax(strings=(tripled('"'),))
ADA = Syntax(comments=(DASHES,), strings=(doubled('"', lines=False), CHARACTER))
VHDL = Syntax(comments=(DASHES, STARRED), strings=(doubled('"', lines=False), CHARACTER))
OCAML = Syntax(
    nested=(PARENTHESES_NESTED,),
    strings=(
        r"\{(?P<name>[a-z_]{0,16})\|(?:[^|]++|\|(?!(?P=name)\}))*+(?:\|(?P=name)\})?+",
        DOUBLE_LINES,
        CHARACTER,
    ),
)
F_SHARP = Syntax(
    comments=(SLASHES,),
    nested=(PARENTHESES_NESTED,),
    strings=(RAW_DOUBLE, r'"(?<=@")(?:[^"]++|"")*+"?+', DOUBLE_LINES, CHARACTER),
)
ROCQ = Syntax(nested=(PARENTHESES_NESTED,), strings=(doubled('"'),))
LISP = Syntax(
    comments=(SEMICOLON,),
    nested=((r"#\|", r"\|#"),),
    strings=(r"#?+\\[\s\S]", DOUBLE_LINES, r"\|[^|\n]*+\|?+"),
)
EMACS_LISP = Syntax(comments=(SEMICOLON,), strings=(r"\?\\?+[\s\S]", DOUBLE_LINES))
CLOJURE = Syntax(
    comments=(SEMICOLON, on_a_line_of_its_own("#_")), strings=(r"\\[\s\S]", DOUBLE_LINES)
)
ASSEMBLY = Syntax(comments=(SEMICOLON,), strings=(DOUBLE, SINGLE))
BASIC = Syntax(comments=(on_a_line_of_its_own(r"(?:'|[Rr][Ee][Mm]\b)"),))
BATCH = Syntax(comments=(on_a_line_of_its_own(r"(?:::|@?+[Rr][Ee][Mm](?![\w.-]))"),))
VIM = Syntax(comments=(on_a_line_of_its_own('"'),))
INI = Syntax(comments=(on_a_line_of_its_own("[;#]"),))
PROPERTIES = Syntax(comments=(on_a_line_of_its_own("[#!]"),), strings=(r"\\\n[^\n\\]*+", r"\\."))
TEX = Syntax(
    comments=(PERCENT, between(r"\\begin\{comment\}", r"\end{comment}")),
    strings=(between(r"\\begin\{verbatim\}", r"\end{verbatim}"), r"\\(?!begin\{comment\})[\s\S]"),
)
ERLANG = Syntax(comments=(PERCENT,), strings=(r"\$(?:\\.|[^\n])", DOUBLE_LINES, quoted("'")))
PROLOG = Syntax(
    comments=(PERCENT, STARRED),
    strings=(r"0(?<!\w0)'(?:\\.|''|[^\n])", DOUBLE_LINES, SINGLE_LINES, quoted("`")),
)
MATLAB = Syntax(
    comments=(on_a_line_of_its_own("[%#](?![{])"), on_a_line_of_its_own(r"[%#]\{[ \t]*+[^\s]")),
    nested=((r"\n[ \t]*+[%#]\{[ \t]*+(?=\n|\Z)", r"\n[ \t]*+[%#]\}[ \t]*+(?=\n|\Z)"),),
)
FORTRAN = Syntax(
    comments=(to_line_end("!"),), strings=(doubled('"', lines=False), doubled("'", lines=False))
)
FORTRAN_FIXED = Syntax(comments=(on_a_line_of_its_own(r"(?:[*cC]|[ \t]*+!)", indented=False),))
HAML = Syntax(comments=(with_what_is_deeper(r"(?:-#|/)"),))
PUG = Syntax(comments=(with_what_is_deeper("//"),))
SASS = Syntax(comments=(with_what_is_deeper(r"(?://|/\*)"),))
SLIM = Syntax(comments=(with_what_is_deeper("/"),))

# Markup, and the languages within it

TAG_END = r"[^>]*+>?+"
MARKUP = Syntax(comments=(HTML_COMMENT,), strings=(between(r"<!\[CDATA\[", "]]>"),))
HTML = Syntax(
    comments=(HTML_COMMENT,),
    embedded=(
        Embedded(
            rf"<script\b(?=[^>]{{0,200}}\b(?:template|html|x-)){TAG_END}",
            Syntax(comments=(HTML_COMMENT,)),
            "</script",
        ),
        Embedded(rf"<script\b{TAG_END}", JAVASCRIPT, "</script"),
        Embedded(rf"<style\b(?=[^>]{{0,200}}\b(?:scss|less|sass|styl)){TAG_END}", SCSS, "</style"),
        Embedded(rf"<style\b{TAG_END}", CSS, "</style"),
    ),
)
PHP = HTML + Syntax(embedded=(Embedded(r"<\?(?!xml)(?:php\b|=)?+", PHP_CODE, None),))
ERB_CODE = Syntax(
    comments=(r"#(?<!\S#)(?:[^\n%]++|%(?!>))*+",), strings=(DOUBLE_LINES, SINGLE_LINES), ends="%>"
)
ERB_COMMENT, JSP_COMMENT = between("<%#", "%>"), between("<%--", "--%>")
DJANGO_COMMENTS = (
    between(r"\{#", "#}"),
    r"\{%-?+ *+comment\b(?:[^{]++|\{(?!%-?+ *+endcomment\b))*+(?:\{%[^%]*+%\})?+",
)
HANDLEBARS_COMMENTS = (between(r"\{\{~?+!--", "--}}"), between(r"\{\{~?+!(?!--)", "}}"))


def html_with(*comments):
    return HTML + Syntax(comments=comments)


SYNTAXES = {
    **dict.fromkeys(
        (
            "C",
            "C++",
            "Objective-C",
            "Objective-C++",
            "CUDA",
            "Arduino",
            "GLSL",
            "HLSL",
            "nesC",
            "SWIG",
            "Charmci",
        ),
        C,
    ),
    **dict.fromkeys(
        (
            "Protocol Buffer",
            "Thrift",
            "Solidity",
            "JSON5",
            "ActionScript",
            "ActionScript 3",
            "Vala",
            "Haxe",
            "AspectJ",
            "QML",
        ),
        C_LIKE,
    ),
    **dict.fromkeys(
        (
            "WebGPU Shading Language",
            "Devicetree",
            "OpenSCAD",
            "Pawn",
            "SourcePawn",
            "Smithy",
            "OMG Interface Definition Language",
        ),
        C_LIKE,
    ),
    "Java": JAVA,
    "C#": C_SHARP,
    "Go": GO,
    "Rust": RUST,
    "Kotlin": KOTLIN,
    "Scala": SCALA,
    "Dart": DART,
    "Swift": SWIFT,
    "Groovy": GROOVY,
    "D": D,
    **dict.fromkeys(("JavaScript", "TypeScript", "TSX"), JAVASCRIPT),
    "JSX": JSX,
    "CSS": CSS,
    **dict.fromkeys(("SCSS", "LessCss"), SCSS),
    "Sass": SASS,
    **dict.fromkeys(("PHP", "HTML+PHP"), PHP),
    "Terraform": TERRAFORM,
    **dict.fromkeys(("verilog", "systemverilog"), VERILOG),
    "Zig": ZIG,
    "Delphi": PASCAL,
    "Bash": BASH,
    "PowerShell": POWERSHELL,
    "Makefile": MAKEFILE,
    "Docker": DOCKER,
    "CMake": CMAKE,
    "YAML": YAML,
    "TOML": TOML,
    "S": R,
    "Julia": JULIA,
    "Nimrod": NIM,
    "CoffeeScript": COFFEESCRIPT,
    "Elixir": ELIXIR,
    "Ruby": RUBY,
    "Awk": AWK,
    "Tcl": TCL,
    "GraphQL": GRAPHQL,
    "Nginx configuration file": NGINX,
    "Nix": NIX,
    **dict.fromkeys(("ApacheConf", "Debian Control file", "Kconfig", "PkgConfig"), HASH_LINES),
    "SQL": SQL,
    "Transact-SQL": TRANSACT_SQL,
    **dict.fromkeys(("Lua", "Luau", "teal"), LUA),
    **dict.fromkeys(("Haskell", "PureScript", "Idris"), HASKELL),
    "Elm": ELM,
    "Ada": ADA,
    "vhdl": VHDL,
    **dict.fromkeys(("OCaml", "Standard ML"), OCAML),
    "F#": F_SHARP,
    "Rocq Prover": ROCQ,
    **dict.fromkeys(("Common Lisp", "Scheme", "Racket"), LISP),
    "EmacsLisp": EMACS_LISP,
    **dict.fromkeys(("Clojure", "ClojureScript"), CLOJURE),
    **dict.fromkeys(("NASM", "TASM"), ASSEMBLY),
    **dict.fromkeys(("VB.net", "VBScript"), BASIC),
    "Batchfile": BATCH,
    "VimL": VIM,
    "INI": INI,
    "Properties": PROPERTIES,
    "TeX": TEX,
    "Erlang": ERLANG,
    **dict.fromkeys(("Prolog", "Logtalk"), PROLOG),
    **dict.fromkeys(("Matlab", "Octave"), MATLAB),
    "Fortran": FORTRAN,
    "FortranFixed": FORTRAN_FIXED,
    "Haml": HAML,
    "Pug": PUG,
    "Slim": SLIM,
    **dict.fromkeys(("XML", "XSLT"), MARKUP),
    **dict.fromkeys(("HTML", "Vue", "Svelte", "HTML + Angular2"), HTML),
    **dict.fromkeys(
        ("HTML+Django/Jinja", "Django/Jinja", "HTML+Twig", "Twig", "liquid"),
        html_with(*DJANGO_COMMENTS),
    ),
    **dict.fromkeys(("HTML+Handlebars", "Handlebars"), html_with(*HANDLEBARS_COMMENTS)),
    **dict.fromkeys(
        ("RHTML", "ERB"),
        html_with(ERB_COMMENT) + Syntax(embedded=(Embedded("<%(?!#)", ERB_CODE, None),)),
    ),
    **dict.fromkeys(("Java Server Page", "aspx-cs", "aspx-vb"), html_with(JSP_COMMENT)),
    "Smarty": html_with(between(r"\{\*", "*}")),
}
PYTHON = {"Python", "Cython", "Mojo", "GDScript", "Vyper"}
