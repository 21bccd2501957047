from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samtranslator.yaml_helper import yaml_parse

from infra.template.flow import block, flow

texts = st.text(st.characters(max_codepoint=0x7E), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"Ref": "Table"}, "!Ref Table"),
        ({"Ref": "AWS::NoValue"}, "!Ref AWS::NoValue"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "!GetAtt Table.Arn"),
        ({"Fn::Sub": "${Bucket.Arn}/*"}, '!Sub "${Bucket.Arn}/*"'),
        ({"Fn::If": ["InVpc", {"Ref": "A"}, {"Ref": "B"}]}, "!If [InVpc, !Ref A, !Ref B]"),
        ({"Effect": "Allow", "Action": ("s3:GetObject",)}, "{Effect: Allow, Action: [s3:GetObject]}"),
        ("no", '"no"'),
        ("8", '"8"'),
        ('{"a": 1}', "'{\"a\": 1}'"),
        (True, "true"),
        (29, "29"),
    ],
)
def test_a_value_is_written_as_a_person_would(value: Any, written: str) -> None:
    assert flow(value) == written


@given(values)
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    assert yaml_parse(f"node: {flow(value)}") == {"node": value}


@given(st.dictionaries(texts, values, min_size=1, max_size=3), st.integers(0, 110))
def test_what_is_written_over_several_lines_is_read_back_too(value: dict[str, Any], indent: int) -> None:
    assert yaml_parse("\n".join(block("node", value, indent))) == {"node": value}


def test_what_fits_stays_in_one_line() -> None:
    assert block("Http", {"Type": "HttpApi"}, 6) == ["Http: {Type: HttpApi}"]


def test_what_does_not_fit_gets_a_line_for_each_part() -> None:
    value = {"Type": "HttpApi", "Names": ["a" * 60, "b" * 60]}
    assert block("Http", value, 6) == ["Http:", "  Type: HttpApi", "  Names:", f"    - {'a' * 60}", f"    - {'b' * 60}"]
