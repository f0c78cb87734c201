"""The examples run as they stand, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sinew

FOLDER = Path(__file__).parent.parent
READMES = ["README.md", "README.zh.md"]


def examples(readme: str) -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```$", (FOLDER / readme).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.mark.parametrize("readme", READMES)
def test_examples(
    node: sinew.Client,
    readme: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in examples(readme):
        exec(compile(example, readme, "exec"), names)
    said = capsys.readouterr().out
    assert "sql.unknown - " in said
    assert "lab.line.a.viscosity" in said


def test_both_languages_show_the_same() -> None:
    english, chinese = (examples(readme) for readme in READMES)
    assert english
    assert english == chinese
