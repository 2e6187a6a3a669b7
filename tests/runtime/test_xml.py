"""XML by one convention, and what hostile documents get."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.xml import MAX_DEPTH, MAX_NODES, XmlError, from_xml, to_xml

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
TEXTS = st.text(st.one_of(CHARACTERS, st.sampled_from("\t\r\n <>&\"']]>")), min_size=1)
SHOWN = TEXTS.filter(lambda text: text.strip(" \t\r\n") != "")
NAMES = st.from_regex(r"[A-Za-zÀ-Öế_][A-Za-z0-9_.\-]{0,5}(:[A-Za-z_][a-z0-9]{0,3})?", fullmatch=True)


def elements(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Elements that hold something: attributes, text, or children of which one that repeats does so at least twice."""
    attributes = st.dictionaries(NAMES.map("@{}".format), TEXTS, max_size=2)
    text = st.dictionaries(st.just("#text"), SHOWN, max_size=1)
    children = st.dictionaries(NAMES, st.one_of(inner, st.lists(inner, min_size=2, max_size=3)), max_size=3)
    parts = st.tuples(attributes, text, children)
    return parts.map(lambda part: {**part[0], **part[1], **part[2]}).filter(lambda tree: set(tree) - {"#text"})


VALUES = st.recursive(st.one_of(st.none(), SHOWN), elements, max_leaves=8)


@given(NAMES, VALUES)
def test_a_tree_of_the_convention_survives_writing_and_reading(name: str, value: Any) -> None:
    assert from_xml(to_xml({name: value})) == {name: value}


def test_line_ends_and_tabs_survive_in_text_and_attributes() -> None:
    """Readers of XML turn them into others unless they are written as references."""
    tree = {"a": {"@b": "x\r\ny\tz", "#text": "x\r\ny\rz"}}
    assert from_xml(to_xml(tree)) == tree


def test_a_tree_becomes_the_document_of_the_vendors_page() -> None:
    """Dossier ecommerce-prestashop, section 5, update_order_status."""
    tree = {"prestashop": {"order_history": {"id_order": 5, "id_order_state": "4", "id_employee": 0}}}
    assert to_xml(tree).decode() == HEAD + (
        "<prestashop><order_history><id_order>5</id_order><id_order_state>4</id_order_state>"
        "<id_employee>0</id_employee></order_history></prestashop>"
    )


def test_the_vendors_error_document_is_read() -> None:
    """Dossier ecommerce-prestashop, section 6: CDATA, a namespace declaration, an element that occurs once."""
    body = (
        b'<prestashop xmlns:xlink="http://www.w3.org/1999/xlink"><errors><error><code><![CDATA[26]]></code>'
        b'<message><![CDATA[Resource of type "orders" is not allowed]]></message></error></errors></prestashop>'
    )
    assert from_xml(body) == {
        "prestashop": {
            "@xmlns:xlink": "http://www.w3.org/1999/xlink",
            "errors": {"error": {"code": "26", "message": 'Resource of type "orders" is not allowed'}},
        }
    }


def test_a_soap_notification_keeps_its_prefixes() -> None:
    """Dossier crm-salesforce, section 9, outbound message (ids shortened)."""
    body = (
        b'<?xml version="1.0"?>\n<notifications xmlns="http://soap.sforce.com/2005/09/outbound">\n'
        b'  <SessionId xsi:nil="true"/>\n  <Notification><Id>04l1</Id><sObject xsi:type="sf:Opportunity">'
        b"<sf:Id>0061</sf:Id></sObject></Notification>\n  <Notification><Id>04l2</Id></Notification>\n</notifications>"
    )
    root = from_xml(body)["notifications"]
    assert root["SessionId"] == {"@xsi:nil": "true"}
    assert root["Notification"] == [
        {"Id": "04l1", "sObject": {"@xsi:type": "sf:Opportunity", "sf:Id": "0061"}},
        {"Id": "04l2"},
    ]


def test_each_kind_of_value_has_one_spelling() -> None:
    tree = {"a": {"@n": 1, "@gone": None, "t": True, "d": Decimal("2.50"), "none": None, "l": ["x", None], "e": []}}
    assert to_xml(tree).decode() == f'{HEAD}<a n="1"><t>true</t><d>2.5</d><none></none><l>x</l><l></l></a>'


@pytest.mark.parametrize(
    ("document", "tree"),
    [
        ("<a/>", {"a": None}),
        ("<a>  \n </a>", {"a": None}),
        ("<a> x </a>", {"a": " x "}),
        ('<a b="1"/>', {"a": {"@b": "1"}}),
        ('<a b="1">x</a>', {"a": {"@b": "1", "#text": "x"}}),
        ("<a>x<b/>y</a>", {"a": {"b": None, "#text": "xy"}}),
        ("<a><b/><c/><b>1</b><b>2</b></a>", {"a": {"b": [None, "1", "2"], "c": None}}),
        ("<a>&lt;&#65;&amp;</a><!-- c --><?p i?>", {"a": "<A&"}),
    ],
)
def test_reading_follows_the_convention(document: str, tree: Any) -> None:
    assert from_xml(document.encode()) == tree


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        {},
        {"a": 1, "b": 2},
        {"a": ["x", "y"]},
        {"@a": "x"},
        {"a b": "x"},
        {"a><b": "x"},
        {"": "x"},
        {"a": {"@b c": "x"}},
        {"a": {"@b": {"c": 1}}},
        {"a": {"#text": ["x"]}},
        {"a": {"b": [["x"]]}},
        {"a": "secret\x00value"},
        {"a": {"@b": "secret\ufffevalue"}},
        {"a": "secret\ud800value"},
        {"a": b"x"},
        {1: "x"},
    ],
)
def test_a_tree_without_a_document_is_refused_without_its_values(tree: Any) -> None:
    with pytest.raises(XmlError) as refusal:
        to_xml(tree)
    assert "secret" not in str(refusal.value)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><a/>',
    "an external DTD": '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
    "a harmless DOCTYPE": "<!DOCTYPE a><a/>",
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_a_doctype_is_refused_before_anything_in_it_acts(document: str) -> None:
    with pytest.raises(XmlError, match="DOCTYPE"):
        from_xml(document.encode())


@pytest.mark.parametrize(
    "document",
    ["", "<a>", "<a></b>", "<a/><b/>", "x", "<a>&undeclared;</a>", '<a b="1" b="2"/>', "<a>\x01</a>", "<a>&#0;</a>"],
)
def test_what_is_not_well_formed_is_refused_with_its_line(document: str) -> None:
    with pytest.raises(XmlError, match=r"^line \d+: "):
        from_xml(document.encode())


def test_depth_and_nodes_are_capped_when_reading_and_writing() -> None:
    def deep(levels: int) -> bytes:
        return b"<a>" * levels + b"</a>" * levels

    tree = from_xml(deep(MAX_DEPTH))
    assert re.sub(rb"<\?.*?\?>", b"", to_xml(tree)) == deep(MAX_DEPTH)
    with pytest.raises(XmlError, match="deeper"):
        from_xml(deep(MAX_DEPTH + 1))
    with pytest.raises(XmlError, match="deeper"):
        to_xml({"a": tree})
    with pytest.raises(XmlError, match="more than"):
        from_xml(b"<a>" + b"<b/>" * MAX_NODES + b"</a>")
    with pytest.raises(XmlError, match="deeper"):
        from_xml(b"<a>" * 1_000_000)


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("<a>Áo</a>".encode(), None),
        ("<a>Áo</a>".encode("utf-8-sig"), "utf-8"),
        ("<a>Áo</a>".encode("utf-16"), None),
        ("<a>Áo</a>".encode("cp1258"), "cp1258"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>Áo</a>".encode("latin-1"), None),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>Áo</a>".encode(), "utf-8"),
    ],
)
def test_the_character_set_comes_from_the_content_type_or_the_document(data: bytes, charset: str | None) -> None:
    assert from_xml(data, charset) == {"a": "Áo"}


@pytest.mark.parametrize("charset", ["utf-8", "no-such-set", "zlib"])
def test_bytes_that_do_not_fit_their_character_set_are_refused(charset: str) -> None:
    with pytest.raises(XmlError, match="character set"):
        from_xml(b"<a>\xff</a>", charset)


@given(st.text(CHARACTERS))
def test_no_text_can_break_out_of_its_element_or_attribute(text: str) -> None:
    root = ET.fromstring(to_xml({"a": {"@b": text, "c": text}}))
    assert [child.tag for child in root] == ["c"]
    assert set(root.attrib) == {"b"}


@given(st.binary(max_size=60))
def test_reading_any_bytes_gives_a_tree_or_a_refusal(data: bytes) -> None:
    for document in (data, b"<a>" + data + b"</a>", b"<a b='" + data + b"'/>"):
        try:
            tree = from_xml(document)
        except XmlError:
            continue
        assert len(tree) == 1
