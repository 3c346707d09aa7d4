import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.attributes import AttributeValueError, Path, Template, encode, text

IMAGE: dict[str, Any] = {
    "pk": {"S": "o-1"},
    "n": {"N": "12.50"},
    "raw": {"B": "AAE="},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "empty": {"S": ""},
    "empty_raw": {"B": ""},
    "tags": {"L": [{"S": "a"}, {"M": {"deep": {"S": "b"}}}]},
    "address": {"M": {"city": {"S": "Graz"}}},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("pk", {"S": "o-1"}),
        ("address.city", {"S": "Graz"}),
        ("tags[0]", {"S": "a"}),
        ("tags[1].deep", {"S": "b"}),
        ("tags[2]", None),
        ("address.street.number", None),
        ("pk.city", None),
        ("pk[0]", None),
        ("absent", None),
    ],
)
def test_a_path_finds_what_it_names_and_nothing_else(path: str, found: Any) -> None:
    assert Path(path).lookup(IMAGE) == found


@pytest.mark.parametrize("wrong", ["", ".", "a.", ".a", "[0]", "a[", "a[x]", "a[0]b", "a..b", "{a}"])
def test_a_path_that_is_none_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(ValueError, match=r'write it like "status"'):
        Path(wrong)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{pk}", "o-1"),
        ("ADMIN-{pk}", "ADMIN-o-1"),
        ("{address.city}#{tags[0]}", "Graz#a"),
        ("{n}", "12.50"),
        ("{raw}", "AAE="),
        ("{yes}", "true"),
        ("fixed", "fixed"),
    ],
)
def test_a_template_is_filled_from_an_item(template: str, filled: str) -> None:
    assert Template(template).of(IMAGE) == filled


@pytest.mark.parametrize("name", ["absent", "nothing", "empty", "empty_raw", "tags", "address"])
def test_a_template_over_what_no_key_can_hold_gives_nothing(name: str) -> None:
    assert Template(f"x-{{{name}}}").of(IMAGE) is None


def test_an_absent_value_has_no_text() -> None:
    assert text(None) is None
    assert text({"BOOL": False}) == "false"


@pytest.mark.parametrize("wrong", ["{", "a}", "{}", "{a", "{{a}}"])
def test_a_template_with_a_lonely_brace_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a brace without its partner"):
        Template(wrong)


def test_two_placeholders_that_touch_are_refused_for_ab_c_would_be_a_bc() -> None:
    with pytest.raises(ValueError, match="put a separator there"):
        Template("{pk}{sk}")


def test_a_template_of_just_a_name_asks_for_the_attribute_with_its_type() -> None:
    assert Template("{n}").value_of(IMAGE) == {"N": "12.50"}
    assert Template("n-{n}").value_of(IMAGE) == {"S": "n-12.50"}
    assert Template("order").value_of(IMAGE) == {"S": "order"}
    assert Template("n-{absent}").value_of(IMAGE) is None


def test_a_prefix_stands_before_the_key_and_leaves_the_template_alone() -> None:
    template = Template("{pk}")
    assert template.prefixed("shop{1}-").of(IMAGE) == "shop{1}-o-1"
    assert template.of(IMAGE) == "o-1"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"S": 'π " \n'}, '"π \\" \\n"'),
        ({"S": ""}, '""'),
        ({"N": "99999999999999999999999999999999999999"}, "99999999999999999999999999999999999999"),
        ({"N": "-0.00000000000000000000000000000000000001"}, "-0.00000000000000000000000000000000000001"),
        ({"N": "1E+125"}, "1E+125"),
        ({"N": "007"}, "7"),
        ({"N": "+.5"}, "0.5"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "null"),
        ({"B": "AAE="}, '"AAE="'),
        ({"B": b"\x00\x01"}, '"AAE="'),
        ({"L": []}, "[]"),
        ({"M": {}}, "{}"),
        ({"L": [{"N": "1"}, {"M": {"a": {"NULL": True}}}]}, '[1,{"a":null}]'),
        ({"SS": ["b", "B", "a"]}, '["B","a","b"]'),
        ({"NS": ["10", "9", "-1.5"]}, "[-1.5,9,10]"),
        ({"BS": ["/w==", "AA=="]}, '["/w==","AA=="]'),
    ],
)
def test_a_value_is_encoded_exactly(value: Any, written: str) -> None:
    assert bytes(encode(value)).decode() == written


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"X": "secret"}, "has the type 'X'"),
        ({"S": "secret", "N": "1"}, "has 2 types"),
        ({}, "has 0 types"),
        ({"N": "secret"}, "is not a number"),
        ({"N": "Infinity"}, "is not a number"),
        ({"L": [{"S": "secret\ud800"}]}, "is not Unicode text"),
    ],
)
def test_what_dynamodb_does_not_write_is_refused_without_showing_it(value: Any, message: str) -> None:
    with pytest.raises(AttributeValueError, match=message) as caught:
        encode(value)
    assert "secret" not in str(caught.value)


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: len(number.as_tuple().digits) <= 38
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.builds(lambda s: {"S": s}, st.text()),
        st.builds(lambda n: {"N": str(n)}, numbers),
        st.builds(lambda b: {"B": base64.b64encode(b).decode()}, st.binary()),
        st.builds(lambda b: {"BOOL": b}, st.booleans()),
        st.just({"NULL": True}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda elements: {"L": elements}, st.lists(inner, max_size=4)),
        st.builds(lambda entries: {"M": entries}, st.dictionaries(st.text(), inner, max_size=4)),
    ),
)


def plain(value: Any) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return Decimal(content)
        case "NULL":
            return None
        case "L":
            return [plain(element) for element in content]
        case "M":
            return {name: plain(element) for name, element in content.items()}
        case _:
            return content


@given(values)
def test_a_reader_gets_back_each_digit_and_character(value: Any) -> None:
    assert json.loads(bytes(encode(value)), parse_int=Decimal, parse_float=Decimal) == plain(value)
