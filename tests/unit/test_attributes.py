import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.attributes import MAXIMUM_DEPTH, AttributeValueError, Path, Template, binary, check, encode, text, unpack
from tests.stream import Item
from tests.stream import image as in_dynamodb

IMAGE: dict[str, Any] = {
    "pk": {"S": "o-1"},
    "n": {"N": "12.50"},
    "raw": {"B": "AAE="},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "empty": {"S": ""},
    "empty_raw": {"B": ""},
    "tags": {"L": [{"S": "a"}, {"M": {"deep": {"S": "b"}}}]},
    "words": {"SS": ["city"]},
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
        ("pk.o", None),
        ("words.city", None),
        ("pk[0]", None),
        ("absent", None),
    ],
)
def test_a_path_finds_what_it_names_and_nothing_else(path: str, found: Any) -> None:
    assert Path(path).lookup(IMAGE) == found


@pytest.mark.parametrize(
    ("path", "image", "found"),
    [
        ("user.id", {"user.id": 1, "user": {"id": 2}}, 1),
        ("user.id", {"user.id": 1}, 1),
        ("user.id", {"user": {"id": 2}}, 2),
        ("ids[0]", {"ids[0]": 1, "ids": [2]}, 1),
        ("ids[00]", {"ids[0]": 1, "ids": [2]}, 2),
        ("ids[0][1]", {"ids[0]": [3, 4], "ids": [[5, 6]]}, 4),
        ("ids[0].name", {"ids[0].name": 1, "ids[0]": {"name": 2}, "ids": [{"name": 3}]}, 1),
        ("ids[0].name", {"ids[0]": {"name": 2}, "ids": [{"name": 3}]}, 2),
        ("ids[0].name.first", {"ids": [{"name.first": 4, "name": {"first": 5}}]}, 4),
        ("a.b.c", {"a.b.c": 1, "a.b": {"c": 2}, "a": {"b.c": 3}}, 1),
        ("a.b.c", {"a.b": {"c": 2}, "a": {"b.c": 3, "b": {"c": 4}}}, 2),
        ("a.b.c", {"a": {"b.c": 3, "b": {"c": 4}}}, 3),
        ("a.b.c", {"a": {"b": {"c": 4}}}, 4),
        # What the longer name leads to nothing in does not hide what is within the shorter.
        ("a.b.c", {"a.b": 1, "a": {"b": {"c": 4}}}, 4),
        ("a.b.c", {"a.b": {"d": 1}, "a": {"b": {"c": 4}}}, 4),
        ("a.b.c", {"a.b": {"d": 1}, "a": {"b": 4}}, None),
        ("a[0]", {"a": {"[0]": 1}}, None),
        ("a.b", {"a": {"": {"b": 4}}}, None),
    ],
)
def test_the_longest_name_that_leads_to_a_value_comes_first(path: str, image: Item, found: int | None) -> None:
    assert Path(path).lookup(in_dynamodb(image)) == (None if found is None else {"N": str(found)})
    assert Template(f"x-{{{path}}}").of(in_dynamodb(image)) == (None if found is None else f"x-{found}")


def test_a_null_or_an_empty_string_of_the_longest_name_is_its_value() -> None:
    assert Path("a.b").lookup({"a.b": {"NULL": True}, "a": {"M": {"b": {"S": "x"}}}}) == {"NULL": True}
    assert Template("{a.b}").of({"a.b": {"S": ""}, "a": {"M": {"b": {"S": "x"}}}}) is None


@pytest.mark.parametrize(
    ("attribute", "path"),
    [
        ({"M": []}, "wrong.a"),
        ({"L": {}}, "wrong[0]"),
        ({"L": ["secret"]}, "wrong[0].a"),
        ({"M": {"a": None}}, "wrong.a"),
        ({"L": [None]}, "wrong[0]"),
        ({"M": {}, "L": []}, "wrong.a"),
    ],
)
def test_a_path_through_what_dynamodb_does_not_write_is_refused_not_taken_for_absent(attribute: Any, path: str) -> None:
    with pytest.raises(AttributeValueError) as caught:
        Path(path).lookup({"wrong": attribute})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["", ".", "a.", ".a", "[0]", "a[", "a[x]", "a[\u0660]", "a[0]b", "a..b", "{a}"])
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


@pytest.mark.parametrize(
    ("template", "texts", "filled"),
    [
        ("{a}", ["1"], "1"),
        ("of-{a}#{b}-z", ["1", "2"], "of-1#2-z"),
        ("of-{a}#{b}-z", ["1", None], None),
        ("of-{a}#{b}-z", [None, "2"], None),
        ("fixed", [], "fixed"),
    ],
)
def test_a_template_is_filled_from_texts_that_are_known(
    template: str, texts: list[str | None], filled: str | None
) -> None:
    assert Template(template).fill(texts) == filled


@pytest.mark.parametrize("name", ["absent", "nothing", "empty", "empty_raw", "tags", "address"])
def test_a_template_over_what_no_key_can_hold_gives_nothing(name: str) -> None:
    assert Template(f"x-{{{name}}}").of(IMAGE) is None


def test_an_absent_value_has_no_text() -> None:
    assert text({"BOOL": False}) == "false"


def test_half_a_surrogate_pair_is_no_text_for_a_key_and_a_whole_one_is() -> None:
    assert text({"S": "🍕"}) == "🍕"
    with pytest.raises(AttributeValueError, match="not Unicode text"):
        text({"S": "secret\ud83c"})


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
        ({"N": "-9.9999999999999999999999999999999999999E+125"}, "-9.9999999999999999999999999999999999999E+125"),
        ({"N": "1" + "0" * 125}, "1" + "0" * 125),
        ({"N": "1E-130"}, "1E-130"),
        ({"N": "0." + "0" * 129 + "1"}, "0." + "0" * 129 + "1"),
        ({"N": "-0"}, "-0"),
        ({"N": "0E-400"}, "0E-400"),
        ({"N": "1E+25"}, "1E+25"),
        ({"N": "-1.5e-7"}, "-1.5e-7"),
        ({"N": "1" * 38 + "0" * 88}, "1" * 38 + "0" * 88),
        ({"N": "0." + "0" * 92 + "1" * 38}, "0." + "0" * 92 + "1" * 38),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "null"),
        ({"B": "AAE="}, '"AAE="'),
        ({"B": b"\x00\x01"}, '"AAE="'),
        ({"L": []}, "[]"),
        ({"M": {}}, "{}"),
        ({"L": [{"N": "1"}, {"M": {"a": {"NULL": True}}}]}, '[1,{"a":null}]'),
        ({"SS": ["b", "B", "a"]}, '["B","a","b"]'),
        ({"SS": ["🍕", "\uffee", "é", "z"]}, '["z","é","\uffee","🍕"]'),
        ({"NS": ["10", "9", "-1.5"]}, "[-1.5,9,10]"),
        ({"NS": ["1E-130", "-1E+125", "0"]}, "[-1E+125,0,1E-130]"),
        ({"BS": ["/w==", "AA=="]}, '["/w==","AA=="]'),
    ],
)
def test_a_value_is_encoded_exactly(value: Any, written: str) -> None:
    assert bytes(encode(value)).decode() == written


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"secret": "x"}, "a type that DynamoDB does not have"),
        ("secret", "not an object that names its type"),
        ("S", "not an object that names its type"),
        (["M"], "not an object that names its type"),
        (5, "not an object that names its type"),
        ({"S": "secret", "N": "1"}, "has 2 types"),
        ({}, "has 0 types"),
        ({"N": "secret"}, "is not a number"),
        ({"N": "Infinity"}, "is not a number"),
        ({"N": ""}, "is not a number"),
        ({"N": "1E+126"}, "is not a number that DynamoDB holds"),
        ({"N": "1E-131"}, "is not a number that DynamoDB holds"),
        ({"N": "1" * 127}, "is not a number that DynamoDB holds"),
        ({"N": "1" + "0" * 126}, "is not a number that DynamoDB holds"),
        ({"N": "1" * 39}, "is not a number that DynamoDB holds"),
        ({"N": "-0." + "1" * 39}, "is not a number that DynamoDB holds"),
        ({"N": "1." + "1" * 38 + "E-7"}, "is not a number that DynamoDB holds"),
        ({"N": "1E+99999999999999999999"}, "is not a number that DynamoDB holds"),
        ({"NS": ["1", "secret"]}, "is not a number"),
        ({"B": "secret!"}, "of type B is not base64"),
        ({"B": "secretxx!"}, "of type B is not base64"),
        ({"B": "AA==AA=="}, "of type B is not base64"),
        ({"BS": ["AAE=", "secret-é"]}, "of type B is not base64"),
        ({"L": [{"S": "secret\ud800"}]}, "is not Unicode text"),
        ({"M": {"secret\ud800": {"S": ""}}}, "is not Unicode text"),
        ({"SS": ["secret\ud800"]}, "is not Unicode text"),
    ],
)
def test_what_dynamodb_does_not_write_is_refused_without_showing_it(value: Any, message: str) -> None:
    for shown in (value, {"L": [value]}, {"M": {"m": value}}):
        with pytest.raises(AttributeValueError, match=message) as caught:
            encode(shown)
        assert "secret" not in str(caught.value)


CONTENTS: tuple[Any, ...] = ("secret", "true", "", 5, None, True, False, [], [5], ["a", None], [b""], {}, {"secret": 1})
HELD: dict[str, tuple[Any, ...]] = {
    "S": ("secret", "true", ""),
    "N": ("secret", "true", ""),
    "B": ("secret", "true", ""),
    "BOOL": (True, False),
    "NULL": (True,),
    "M": ({}, {"secret": 1}),
    "L": ([], [5], ["a", None], [b""]),
    "SS": ([],),
    "NS": ([],),
    "BS": ([], [b""]),
}


@pytest.mark.parametrize(
    ("kind", "content"),
    # By type and value: True is 1, but not the other's content.
    [(kind, content) for kind, held in HELD.items() for content in CONTENTS if repr(content) not in map(repr, held)],
)
def test_content_of_another_type_is_refused_by_its_types_name_alone(kind: str, content: Any) -> None:
    value = {kind: content}
    for reading in (
        unpack,
        text,
        encode,
        lambda value: encode({"L": [value]}),
        lambda value: encode({"M": {"m": value}}),
    ):
        with pytest.raises(
            AttributeValueError, match=f"^an attribute value of type {kind} holds what that type can not$"
        ):
            reading(value)


@given(st.permutations(["1", "1.0", "1.00", "-0", "0"]))
def test_a_sets_order_is_the_same_whatever_order_it_comes_in(elements: list[str]) -> None:
    assert bytes(encode({"NS": elements})).decode() == "[-0,0,1,1.0,1.00]"


@pytest.mark.parametrize(
    "written",
    [
        " 5 ",
        "5\n",
        "\u200a5",
        "1_000",
        "1\u0662",
        "\uff15",
        "+5",
        "007",
        "-00",
        "1.",
        ".5",
        "1E",
        "1E5.5",
        "0x10",
        "1,5",
        "--1",
        "NaN",
        "sNaN",
        "-Infinity",
    ],
)
def test_a_number_in_a_notation_that_dynamodb_does_not_use_is_refused_not_guessed(written: str) -> None:
    for reading in (text, encode, lambda value: encode({"NS": [value["N"]]})):
        with pytest.raises(AttributeValueError, match="is not a number that DynamoDB holds"):
            reading({"N": written})


def test_binary_of_both_notations_is_the_same_text() -> None:
    assert binary(b"\xff\x00") == binary("/wA=") == "/wA="


def nested(depth: int) -> Any:
    value: Any = {"S": "deep"}
    for level in range(depth):
        value = {"M": {"m": value}} if level % 2 else {"L": [value]}
    return value


@pytest.mark.parametrize("depth", [0, 1, 32, MAXIMUM_DEPTH])
def test_an_image_of_a_depth_that_dynamodb_allows_is_let_pass_and_encoded(depth: int) -> None:
    check({"deep": nested(depth)})
    assert bytes(encode(nested(depth))).count(b"deep") == 1


@pytest.mark.parametrize("depth", [MAXIMUM_DEPTH + 1, 1_000, 50_000])
def test_an_image_that_is_deeper_is_refused_however_deep(depth: int) -> None:
    for flat in ({"S": ""}, {"L": [{"S": ""}]}, {"M": {"a": {"S": ""}}}):
        with pytest.raises(AttributeValueError, match="deeper than DynamoDB's 32 levels"):
            check({"before": flat, "deep": nested(depth), "after": flat})


def test_a_name_that_is_not_unicode_text_is_refused() -> None:
    check({"🍕": {"S": ""}, "": {"S": ""}})
    with pytest.raises(AttributeValueError, match="not Unicode text") as caught:
        check({"secret\ud83c": {"S": ""}, "\udf55": {"S": ""}})
    assert "secret" not in str(caught.value)


def test_a_value_that_is_wrong_is_left_to_whoever_reads_it() -> None:
    check({"a": {"M": {"b": 5, "c": {"L": "x"}}}, "d": {"L": [None, {"M": ["x"]}]}, "e": {"S": 5}})


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: len(number.as_tuple().digits) <= 38 and (not number or -130 <= number.adjusted() <= 125)
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
