"""Telling the encoding of a file, and text in UTF-16 from binary files."""

import random

import pytest

from jobsync.steps.codebase.encoding import decode
from jobsync.steps.codebase.language import is_binary

CODE = "def function(argument):\n    return argument + 1\n\n\n" * 40


@pytest.mark.parametrize(
    ("encoding", "names", "text"),
    [
        ("ascii", {"utf-8"}, "x = 1\n"),
        ("utf-8", {"utf-8"}, "# größer\n"),
        ("utf-8-sig", {"utf-8-sig"}, "x = 1\n"),
        ("utf-16", {"utf-16"}, "x = 1\n"),
        ("utf-32", {"utf-32"}, "x = 1\n"),
        ("utf-16-le", {"utf-16-le"}, "x = 'ä'  # größer\n"),
        ("utf-16-be", {"utf-16-be"}, "x = 'ä'  # größer\n"),
        (
            "latin-1",
            {"windows-1252"},
            "# Cette fonction vérifie la présence du paramètre, évidemment.\n",
        ),
        ("latin-1", {"windows-1252"}, "x = 'ä'\n"),
        ("cp1252", {"windows-1252"}, "# the “smart quotes” – it’s nice\n"),
        ("cp1251", {"windows-1251"}, "# Функция проверяет наличие параметра\n"),
        ("koi8-r", {"koi8-r"}, "# Функция проверяет наличие параметра\n"),
        ("shift_jis", {"cp932", "shift_jis"}, "# 関数はパラメータを確認します。\n"),
        ("euc_jp", {"euc-jp"}, "# 関数はパラメータを確認します。\n"),
        ("gbk", {"gb18030"}, "# 这个函数检查参数是否存在\n"),
        ("big5", {"big5"}, "# 這個函數檢查參數是否存在\n"),
        ("euc_kr", {"cp949"}, "# 이 함수는 매개변수를 확인합니다\n"),
    ],
)
@pytest.mark.parametrize("around", ["", CODE], ids=["alone", "in much code"])
def test_it_reads_what_was_written(encoding, names, text, around):
    text = around + text + around
    found = decode(text.encode(encoding))
    assert found.text == text
    assert found.encoding in names
    assert not is_binary(text.encode(encoding))


@pytest.mark.parametrize(
    ("raw", "text", "encoding"),
    [
        (b"", "", "utf-8"),
        (b"a\r\nb\rc", "a\nb c", "utf-8"),
        (b"\xef\xbb\xbfa \xff\n", "ï»¿a ÿ\n", "windows-1252"),
        (b"a \x81\xff\n", "a \x81ÿ\n", "latin-1"),
        (b"\xff\xfea", "\N{REPLACEMENT CHARACTER}", "utf-16"),
    ],
)
def test_it_takes_bytes_that_fit_nothing(raw, text, encoding):
    assert decode(raw) == (text, encoding)


@pytest.mark.parametrize(
    "raw",
    [
        b"a\n\0\n",
        b"\0" * 100,
        b"\x01\0\x02\0" * 100,
        b"a\0b\0" * 3,
        b"a\0b\0c\0d\0e\0f\0g\0h\0" + b"xyxyxyxyxyxyxyxy",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0",
        random.Random(1).randbytes(8192),
    ],
)
def test_it_takes_no_binary_file_for_utf16(raw):
    assert is_binary(raw)
