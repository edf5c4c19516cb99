"""Languages by name, and by content where several share an ending."""

import re
import time

import pytest
from pygments.lexers import find_lexer_class, get_all_lexers

from jobsync.base.errors import Stopped
from jobsync.steps.codebase.count import count_lines
from jobsync.steps.codebase.language import (
    SHARED_HEAD,
    counted_as,
    kind_of_language,
    language_names,
    language_of,
    line_expression,
    listed,
    table,
)

LICENCE = (
    "Licensed under the Terms of Somebody; you may not use this file but by them.\n"
    "class of works: any\n"
)
SHARED = [
    ("a.m", "% c\nfunction y = f(x)\ny = x;\nend\n", "Matlab"),
    ("a.m", "x = 1;\ny = x';\n", "Matlab"),
    ("a.m", "(* ::Package:: *)\nf[x_] := x\n", "Mathematica"),
    ("a.m", "#import <x.h>\n@implementation A\n@end\n", "Objective-C"),
    ("a.m", f'//\n// {LICENCE}//\n#import "A.h"\n', "Objective-C"),
    ("a.m", ":- module hello.\n:- interface.\n", "Mercury"),
    ("a.m", "1;\nfunction f()\n  x = 1;\nendfunction\n", "Octave"),
    ("a.v", "Require Import Arith.\nLemma a : 1 = 1.\nProof. reflexivity. Qed.\n", "Rocq Prover"),
    ("a.v", "(* A proof *)\nFrom Coq Require Import List.\n", "Rocq Prover"),
    (
        "a.v",
        (
            "// a counter\nmodule counter(input clk, output reg q);\n"
            "  always @(posedge clk) q <= ~q;\nendmodule\n"
        ),
        "verilog",
    ),
    ("a.v", "(* keep *) module top;\n  wire a;\nendmodule\n", "verilog"),
    ("a.v", "module main\n\nfn main() {\n\tprintln('x')\n}\n", "V"),
    ("a.ts", "import x from 'y';\nconst a: number = 1;\n", "TypeScript"),
    (
        "de.ts",
        (
            '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n'
            '<TS version="2.1" language="de">\n</TS>\n'
        ),
        "XML",
    ),
    ("de.ts", '<!DOCTYPE TS><TS version="2.0"/>', "XML"),
    ("a.d.ts", "declare const a: number;\n", "TypeScript"),
    ("a.tsx", "export default () => <p/>;\n", "TSX"),
    ("a.tsx", '<?xml version="1.0"?>\n<tileset/>\n', "XML"),
    (
        "a.h",
        (
            '#ifndef A_H\n#define A_H\n#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n'
            "struct s { int class_of; };\n#endif\n"
        ),
        "C",
    ),
    ("a.h", f"/*\n{LICENCE}*/\n#include <stdio.h>\n#include <string.h>\n", "C"),
    ("a.h", "#pragma once\n#include <vector>\n", "C++"),
    ("a.h", "#pragma once\nnamespace a {\nint f();\n}\n", "C++"),
    ("a.h", "class A : public B\n{\npublic:\n  A();\n};\n", "C++"),
    ("a.h", "template <typename T>\nT f(T a);\n", "C++"),
    ("a.h", "int f(const std::string& a);\n", "C++"),
    ("a.h", "#import <Foundation/Foundation.h>\n@interface A : NSObject\n@end\n", "Objective-C"),
    ("a.h", "typedef NS_ENUM(NSInteger, Kind) { One };\n", "Objective-C"),
    ("A.H", "int a;\n", "C++"),
    ("a.pl", "#!/usr/bin/perl -w\nuse strict;\n", "Perl"),
    ("a.pl", "package A;\nsub f { my $x = shift; }\n1;\n", "Perl"),
    ("a.pl", ":- use_module(library(lists)).\nmember(X, [X|_]).\n", "Prolog"),
    ("a.pl", "% facts\nfather(a, b).\nfather(b, c).\n", "Prolog"),
    ("a.pl", "parent(X, Y) :- father(X, Y).\n", "Prolog"),
    ("a.pl", "#!/usr/bin/env swipl\nmain :- write(x).\n", "Prolog"),
    ("a.pl", "use v6;\nsay 'x';\n", "Perl6"),
    ("a.pm", "package A;\nuse strict;\n1;\n", "Perl"),
    ("a.pm", "unit class A;\n", "Perl6"),
    ("a.t", "use Test::More;\nok(1);\n", "Perl"),
    ("a.r", "x <- c(1, 2)\n", "S"),
    ("a.R", "x <- c(1, 2)\n", "S"),
    ("a.r", 'REBOL [\n  Title: "x"\n]\n', "REBOL"),
    ("a.cls", "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesClass{a}\n", "TeX"),
    (
        "a.cls",
        'VERSION 1.0 CLASS\nBEGIN\n  MultiUse = -1\nEND\nAttribute VB_Name = "A"\n',
        "Visual Basic 6.0",
    ),
    ("a.cls", "public with sharing class A {\n}\n", "Apex"),
    ("a.cls", "USING Progress.Lang.*.\nCLASS a.B INHERITS C:\nEND CLASS.\n", "OpenEdge ABL"),
    ("a.pro", "QT += core gui\nTARGET = a\nSOURCES += main.cpp\n", "QMake"),
    ("a.pro", "-keep class a.b.C { *; }\n-dontwarn x.**\n", "Proguard"),
    ("a.pro", ":- initialization(main).\nmain :- write(x).\n", "Prolog"),
    ("a.pro", "pro plot_it, x\n  compile_opt idl2\nend\n", "IDL"),
    ("a.fs", "module A\nlet x = 1\n", "F#"),
    ("a.fs", ": square dup * ;\n", "Forth"),
    ("a.fs", "#version 330\nvoid main() { }\n", "GLSL"),
    ("a.d", "module a;\nimport std.stdio;\nvoid main() {}\n", "D"),
    ("a.d", "build/a.o: src/a.c src/a.h \\\n  src/b.h\n", "Makefile"),
    ("a.d", "#pragma D option quiet\nsyscall::read:entry\n{ }\n", "DTrace"),
    ("a.inc", "<?php\nfunction f() {}\n", "PHP"),
    ("a.inc", "// part of a table\n#define A 1\n", "C"),
    ("a.inc", "{ 1, 2 },\n{ 3, 4 },\n", "C"),
    ("a.inc", 'inherit cmake\nSRC_URI = "git://x"\n', "BitBake"),
    ("a.inc", "#declare Red = rgb <1,0,0>;\n", "POVRay"),
    ("a.inc", "{$mode objfpc}\nprocedure a;\nbegin\nend;\n", "Delphi"),
    ("a.inc", "native int GetIt(int a);\nstock void f() {}\n", "Pawn"),
    ("a.inc", "%macro push_all 0\n  push eax\n%endmacro\n", "NASM"),
    ("a.inc", "", None),
    ("a.ml", "let rec f x = match x with _ -> x\n", "OCaml"),
    ("a.ml", "structure A = struct\nfun f x = x\nend\n", "Standard ML"),
    ("a.mod", "MODULE A;\nBEGIN\nEND A.\n", "Modula-2"),
    ("a.mod", "<!ENTITY % a 'b'>\n", "XML"),
    ("a.mod", "param n;\nvar x {1..n} >= 0;\n", "Ampl"),
    ("go.mod", "module x\n\ngo 1.22\n", None),
    ("a.pp", "class a {\n  package { 'x': ensure => installed }\n}\n", "Puppet"),
    ("a.pp", "unit a;\ninterface\nimplementation\nend.\n", "Delphi"),
    ("a.sc", "import scala.io.Source\nval x = 1\n", "Scala"),
    ("a.sc", "Foo : Bar {\n  *new { ^super.new }\n}\n", "SuperCollider"),
    ("a.scd", "a(5)\n\n# NAME\n\na - b\n", "scdoc"),
    ("a.cl", "(defun f (x) x)\n", "Common Lisp"),
    ("a.cl", "__kernel void f(__global float* a) {}\n", "OpenCL"),
    ("a.asm", "mov eax, 1\n", "NASM"),
    ("a.s", ".text\n.globl f\nf:\n  ret\n", "GAS"),
    ("a.s", '.segment "CODE"\n.proc main\n  rts\n.endproc\n', "ca65 assembler"),
    ("a.bas", 'Attribute VB_Name = "A"\nOption Explicit\n', "Visual Basic 6.0"),
    ("a.bas", '10 PRINT "X"\n', "QBasic"),
    ("a.rs", "fn main() {}\n", "Rust"),
    ("a.rs", "#pragma version(1)\n#pragma rs java_package_name(a)\n", "C"),
    ("a.gd", "extends Node\nfunc _ready():\n\tpass\n", "GDScript"),
    ("a.gd", 'DeclareOperation( "A", [ IsObject ] );\n', "GAP"),
    ("a.g", "grammar A;\na : 'b' ;\n", "ANTLR"),
    ("a.gs", "function onOpen() {\n}\n", "JavaScript"),
    ("a.gs", "uses java.util.Date\n", "Gosu"),
    ("a.es", "export default 1;\n", "JavaScript"),
    ("a.es", "#!/usr/bin/env escript\nmain(_) -> ok.\n", "Erlang"),
    ("a.l", "%{\n#include <stdio.h>\n%}\n%%\n", "Lex"),
    ("a.l", "(defun f (x) x)\n", "Common Lisp"),
    ("a.spec", "Name: a\nVersion: 1\n", "RPMSpec"),
    ("a.spec", "# -*- mode: python -*-\na = Analysis(['x.py'])\n", "Python"),
    ("a.toc", "## Interface: 100000\n## Title: A\n", "World of Warcraft TOC"),
    ("a.typ", "#set page(width: 10cm)\n", "Typst"),
    ("a.x", "program P { version V { void F(void) = 1; } = 1; } = 2;\n", "RPC"),
    ("a.x", "%hook A\n- (void)f { %orig; }\n%end\n", "Logos"),
    ("a.yy", "%%\na : b ;\n", "Yacc"),
    ("a.yy", '{\n  "id": 1\n}\n', "JSON"),
    ("a.mm", "#import <x.h>\n", "Objective-C++"),
    ("a.lean", "import Mathlib.Data.Nat\n", "Lean4"),
    ("a.ftl", "<#if a>${b}</#if>\n", "FreeMarker"),
    ("a.ftl", "-brand = A\nhello = Hello, { $name }!\n", "Fluent"),
    ("a.vba", "Sub A()\nEnd Sub\n", "VBA"),
    ("a.p", "DEFINE VARIABLE a AS INTEGER.\n", "OpenEdge ABL"),
    ("a.p", "set terminal png\nplot 'a.dat'\n", "Gnuplot"),
]
NAMED = {
    "a.mts": "TypeScript", "a.cts": "TypeScript", "a.svelte": "Svelte", "a.erb": "ERB",
    "index.html.erb": "ERB", "a.gql": "GraphQL", "Podfile": "Ruby", "a.csproj": "XML",
    "Brewfile": "Ruby", "config.ru": "Ruby", "a.podspec": "Ruby", "a.j2": "Django/Jinja",
    "a.html.j2": "HTML+Django/Jinja", "a.jinja2": "Django/Jinja", "a.cshtml": "Razor",
    "a.blade.php": "Blade", "a.php": "PHP", "a.adoc": "AsciiDoc", "a.mdx": "MDX",
    "a.ipynb": "Jupyter Notebook", "a.vcxproj": "XML", "a.props": "XML", "a.plist": "XML",
    "a.tfvars": "Terraform", "a.tf": "Terraform", "a.g4": "ANTLR", "a.f95": "Fortran",
    "a.F90": "Fortran", "a.ps1": "PowerShell", "a.psd1": "PowerShell", "Jenkinsfile": "Groovy",
    "Containerfile": "Docker", "Dockerfile.dev": "Docker", "dev.dockerfile": "Docker",
    "Cargo.lock": "TOML", "yarn.lock": "YAML", "composer.lock": "JSON",
    "a.jsonc": "JSON with Comments", "a.glsl": "GLSL", "a.metal": "Metal", "a.prisma": "Prisma",
    "a.styl": "Stylus", "a.pcss": "PostCSS", "a.astro": "Astro", "a.bats": "Bash", ".envrc": "Bash",
    ".env.local": "Dotenv", "configure.ac": "M4", "a.sbt": "Scala", "a.hs-boot": "Haskell",
    "a.nims": "Nimrod", "a.rmd": "RMarkdown", "a.star": "Python", "MODULE.bazel": "Python",
    "a.gyp": "Python", "Web.Release.config": "XML", "a.sln": "Visual Studio Solution",
    "a.csv": "CSV", "a.tsv": "TSV", "a.sty": "TeX", "a.y": "Yacc", "a.lds": "Linker Script",
    "Dangerfile": "Ruby", "a.nf": "Nextflow",
}  # fmt: skip


@pytest.mark.parametrize(("name", "head", "language"), SHARED)
def test_the_content_decides_where_a_name_is_shared(name, head, language):
    assert language_of(name, head.encode()) == language
    assert language_of(name, b"\xef\xbb\xbf" + head.replace("\n", "\r\n").encode()) == (
        None if head == "" else language
    )


@pytest.mark.parametrize(("name", "language"), NAMED.items())
def test_names_that_have_a_language_today_go_by_one(name, language):
    assert language_of(name, b"x") == language


def test_a_file_that_was_not_read_has_the_usual_language_of_its_ending():
    assert [language_of(f"a.{ending}") for ending in ("h", "pl", "ts", "fs", "inc")] == [
        "C",
        "Perl",
        "TypeScript",
        "F#",
        None,
    ]


def test_the_table_names_only_languages_that_there_are():
    names = {name for name, *_ in get_all_lexers(plugins=False)} | set(table()["like"])
    named = {choice["language"] for entry in table()["shared"] for choice in entry["choices"]}
    named |= {entry["default"] for entry in table()["shared"] if "default" in entry}
    named |= set(table()["names"]) | {name for kind in table()["kinds"].values() for name in kind}
    assert named - names == set()
    assert [name for name in table()["like"] if find_lexer_class(name)] == []
    assert [like for like in table()["like"].values() if like and not find_lexer_class(like)] == []


def test_each_language_of_the_table_can_be_counted():
    def check():
        if False:
            raise Stopped

    for name in language_names():
        assert counted_as(name) is None or find_lexer_class(counted_as(name))
    for name in table()["like"]:
        assert sum(count_lines("a\n\nb\n", name, check)) == 3
        assert kind_of_language(name) in ("code", "prose", "data")
    assert count_lines("<!-- a -->\n<p>b</p>\n", "Svelte", check) == (1, 1, 0)


PATTERNS = [
    pytest.param(
        choice["language"], pattern, id=f"{entry['endings'][0]}-{choice['language']}-{number}"
    )
    for entry in table()["shared"]
    for choice in entry["choices"]
    for number, pattern in enumerate(listed(choice["pattern"]))
]
FRAGMENTS = [
    " ",
    "\n",
    "\t\n",
    "a",
    "A",
    "a ",
    "a:",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    ".",
    "-",
    "=",
    "\\",
    "%",
    "a(",
    "a()",
    "a[a_",
    "#",
    "# ",
    "@",
    "1",
    "<",
    "<!",
    "::",
    ",",
    ";",
    "a;",
    "\n ",
    "\n\n ",
    '"',
]


@pytest.mark.parametrize(("language", "pattern"), PATTERNS)
def test_no_pattern_takes_longer_than_in_proportion_to_the_head(language, pattern):
    expression = line_expression(pattern)
    words = re.findall(r"[A-Za-z@#:<>-]{2,}", pattern)
    for fragment in [
        *FRAGMENTS,
        *words,
        *(f"{word} " for word in words),
        *(f"\n{word}" for word in words),
        *(f"{word}(" for word in words),
    ]:
        for text in (
            fragment * (SHARED_HEAD // len(fragment)),
            "\n" + fragment + " " * SHARED_HEAD,
            "\n" + fragment + "a" * SHARED_HEAD,
        ):
            begun = time.process_time()
            expression.search("\n" + text[:SHARED_HEAD])
            assert time.process_time() - begun < 0.1, (
                fragment,
                "takes time that grows faster than the text",
            )
