from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.activity.markup import LIMITS, MAX_TAGS, TAG_WINDOW, MarkupReader

U, V, W = "https://img.example/u.png", "https://img.example/v.png", "https://img.example/w.png"


def markdown(text: str) -> list[tuple[str, str]]:
    reader = MarkupReader()
    pictures = reader.markdown(text)
    assert not reader.truncated
    return sorted((picture.slot, picture.url) for picture in pictures)


def html(text: str) -> list[tuple[str, str]]:
    reader = MarkupReader()
    pictures = reader.html(text)
    assert not reader.truncated
    return sorted((picture.slot, picture.url) for picture in pictures)


MARKDOWN = {
    "nothing": ("Just *text*, a [link](https://x.example) and an exclamation!", []),
    "inline": (f"![alt]({U})", [U]),
    "title": (f"![alt]({U} \"title\") ![]({V} 'title') ![]({W} (title))", [U, V, W]),
    "angle brackets": (f"![alt](<{U}>)", [U]),
    "blanks inside": (f"![alt]( \n {U} )", [U]),
    "parentheses": ("![](https://x.example/a_(b).png)", ["https://x.example/a_(b).png"]),
    "entities": ("![](https://x.example/?a=1&amp;b=2)", ["https://x.example/?a=1&b=2"]),
    "escapes": ("![](https://x.example/a\\_b.png)", ["https://x.example/a_b.png"]),
    "non-ASCII stays as written": ("![](https://bücher.example/ü.png)", ["https://bücher.example/ü.png"]),
    "reference": (f"![alt][Ref]\n\n[rEF]: {U}", [U]),
    "collapsed reference": (f"![ref][]\n\n[ref]: <{U}> 'title'", [U]),
    "shortcut reference": (f"![ref]\n\n[ref]: {U}", [U]),
    "reference over two lines": (f"![ref]\n\n[ref]:\n  {U}", [U]),
    "in a link": (f"[![alt]({U})](https://x.example)", [U]),
    "in an image": (f"![![a]({U})]({V})", [U, V]),
    "in a quote": (f"> > ![a\n> > b]({U})", [U]),
    "in a list": (f"1. - ![a]({U})", [U]),
    "in a heading": (f"# ![a]({U})", [U]),
    "in emphasis": (f"**_![a]({U})_**", [U]),
    "in a table": (f"| a |\n|---|\n| ![a]({U}) |", [U]),
    "in a spoiler": (f"::: spoiler x\n![a]({U})\n:::", [U]),
    "forty quotes deep": (">" * 40 + f" ![a]({U})", [U]),
    "relative": ("![a](/pictrs/1.png)", ["/pictrs/1.png"]),
    "another scheme": ("![a](javascript:alert(1)) ![b](data:text/html,x)", ["data:text/html,x", "javascript:alert(1)"]),
    "link after an image": (f"![a]({U}) and [b](https://x.example)", [U]),
    "an exclamation before a link": ("Look! [b](https://x.example)", []),
    "Rust": ("#![allow(dead_code)]\nvec![1, 2];", []),
}


@pytest.mark.parametrize(("text", "urls"), MARKDOWN.values(), ids=MARKDOWN)
def test_markdown(text: str, urls: list[str]) -> None:
    assert markdown(text) == [("markdown", url) for url in sorted(urls)]


HIDDEN_IN_MARKDOWN = {
    "a footnote that CommonMark takes for a reference": f"[^1]: ![]({U})",
    "a footnote with a reference": f"[^1]: ![a][r]\n\n[r]: {U}",
    "code to CommonMark, a table to others": f"| ` |\n|---|\n| ![a]({U}) |\n| ` |",
    "code to CommonMark, a spoiler to others": f"::: spoiler `\n![a]({U})\n`:::",
    "a fence that a spoiler ends": f"::: spoiler x\n```\n:::\n![a]({U})",
    "a link target": f"[x](![a]({U}))",
    "an image target": f"![x](![a]({U}))",
    "an HTML block": f"<div>\n![a]({U})\n</div>",
    "an HTML attribute": f"<a title='![a]({U})'>",
    "an HTML comment": f"<!--\n![a]({U})\n-->",
    "an autolink": f"<http:![a]({U})>",
    "a definition's title": f"[r]: x '`'\n![a]({U}) `",
    "code in the label": f"![x`](`![a]({U}))",
    "a backslash in the label": f"![a\\]({U})",
    "brackets in a label in code": f"`![a [b] c]({U})`",
    "brackets and backslashes in a label in code": f"`![a \\[ [b] c]({U})`",
    "brackets that backslashes do not hide": f"`![a [b\\] c]({U})`",
    "a bracket without its match": f"`![a [ b]({U})`",
    "indented code": f"    ![a]({U})",
    "a fence": f"```\n![a]({U})\n```",
}


@pytest.mark.parametrize("text", HIDDEN_IN_MARKDOWN.values(), ids=HIDDEN_IN_MARKDOWN)
def test_markdown_that_hides_from_one_dialect_is_found(text: str) -> None:
    assert ("markdown", U) in markdown(text)


def test_html_in_markdown() -> None:
    assert markdown(f"a <img src={U}> b\n\n<div>\n<img src={V}>\n</div>") == [("html", U), ("html", V)]


def test_html_in_markdown_code_is_not_a_picture() -> None:
    assert markdown("`<img src=x.png>`\n\n```html\n<img src=x.png>\n```") == []


HTML = {
    "nothing": ("<p>Just <b>text</b>, 1 < 2 &amp; a <a href='https://x.example/a.png'>link</a>!</p>", []),
    "img": (f"<p><img src='{U}' alt=x></p>", [U]),
    "upper case, no quotes, slash": (f"<IMG/SRC={U}>", [U]),
    "blanks around": (f"<img src=' \n{U}\t'>", [U]),
    "entities": ("<img src='https://x.example/?a=1&amp;b=2&#38;c'>", ["https://x.example/?a=1&b=2&c"]),
    "srcset": (f"<img src='{U}' srcset='{V} 1x, {W} 2x'>", [U, V, W]),
    "srcset without blanks": (f"<img srcset='{U},{V} 1x,{W}'>", [f"{U},{V}", W]),
    "srcset with commas in URLs": (
        "<img srcset='https://x.example/a,b.png 2x, ,c.png,'>",
        ["c.png", "https://x.example/a,b.png"],
    ),
    "srcset without descriptors": (f"<img srcset='{U}, {V}, {W} 2x'>", [U, V, W]),
    "srcset with parentheses": (f"<img srcset='{U} f(a, b), {V}'>", [U, V]),
    "picture": (f"<picture><source srcset='{U}'><img src='{V}'></picture>", [U, V]),
    "video": (f"<video poster='{U}' src='{V}'><source src='{W}' type='video/mp4'></video>", [U, V, W]),
    "audio": (f"<audio><source src='{U}' type='audio/ogg'></audio>", []),
    "image in SVG": (f"<svg><image href='{U}'/><image xlink:href='{V}'/></svg>", [U, V]),
    "image input": (f"<input type=image src='{U}'>", [U]),
    "object and embed": (f"<object data='{U}'></object><embed src='{V}'>", [U, V]),
    "no src": ("<img alt=x><img src=''><img src>", []),
    "imagine": ("<imagine src=x>", []),
    "escaped": ("<code>&lt;img src=x.png&gt;</code>", []),
}


@pytest.mark.parametrize(("text", "urls"), HTML.values(), ids=HTML)
def test_html(text: str, urls: list[str]) -> None:
    assert html(text) == [("html", url) for url in sorted(urls)]


def test_a_frame_is_a_preview() -> None:
    assert html(f"<iframe src='{U}'></iframe>") == [("preview", U)]


HIDDEN_IN_HTML = {
    "a comment": f"<!-- <img src={U}> -->",
    "a comment that one reader ends early": f"<!--><img src={U}><!-- -->",
    "a template": f"<template><img src={U}></template>",
    "noscript": f"<noscript><img src={U}></noscript>",
    "a text area": f"<textarea><img src={U}></textarea>",
    "a style": f"<style><img src={U}></style>",
    "an attribute": f"<p title='<img src={U}>'>",
    "an attribute that ends early": f"<p title='a'b'><img src={U}>",
    "a tag that never ends": f"<img src={U} ",
    "ten thousand elements": "<div>" * 10_000 + f"<img src={U}>",
}


@pytest.mark.parametrize("text", HIDDEN_IN_HTML.values(), ids=HIDDEN_IN_HTML)
def test_html_that_hides_from_one_reader_is_found(text: str) -> None:
    assert ("html", U) in html(text)


BECOMES_MARKDOWN = {
    "text": f"<p>![a]({U})</p>",
    "character references": "<p>&#33;&lbrack;a](https&colon;//img.example/u.png)</p>",
    "a tag inside": f"<p>!<b></b>[a]<i></i>({U})</p>",
    "an attribute with an end inside": f"<p>!<b title='>'>[a]({U})</p>",
    "quotes in an attribute's name": f'<p>!<b x" title=">">[a]({U})</p>',
    "quotes that do not quote": f'<b x">![a]({U})<i y">',
    "an unquoted value": f"!<b x=a'b>[a]({U})",
    "a comment inside": f"!<!-- > -->[a]({U})",
    "a short comment before": f"<!-->![a]({U})<!-- -->",
    "a declaration inside": f"!<!x>[a]({U})",
    "an end tag inside": f"!</>[a]({U})",
    "code marks on either side": f"<p>`</p><p>![a]({U})</p><p>`</p>",
    "a link target on either side": f"<p>[x](</p><p>!<b></b>[a]({U})</p><p>)</p>",
    "a reference": f"<p>![a][r]</p><p>[r]: {U}</p>",
    "behind a tag that never ends": f"<p>![a]({U}) <b",
    "inside a tag that never ends": f"<p <b x='![a]({U})",
    "in a declaration that never ends": f"<!![a]({U})",
}


@pytest.mark.parametrize("text", BECOMES_MARKDOWN.values(), ids=BECOMES_MARKDOWN)
def test_html_that_becomes_a_markdown_image_is_found(text: str) -> None:
    assert ("markdown", U) in html(text)


@pytest.mark.parametrize(
    "text",
    [
        "<p>A [link](https://x.example/a) as people write them, wow!</p><p>[other](https://x.example/b)</p>",
        "<p>Wow! <sup>[1]</sup> (see below)</p>",
        "<p>&#33; &#91;x&#93; (y)</p>",
    ],
)
def test_brackets_in_html_are_no_picture(text: str) -> None:
    assert html(text) == []


# Repeated until the text is long enough, alone and behind a picture.
# fmt: off
BOMBS = [
    "[", "![", "![a](", "![](", "![[](", "[[]", "![a]", "[a][b]", "![a][b]", "![a](b)", "[a](b)", "[a\\]", "!\n[", "]",
    "](", "![a](<", "`", "``` ", "*a ", "*a _b ", "**a __b ", "_a __b*", ">", "- ", "1. a\n", "- [x]\n", "[a]: b\n",
    "&", "&#", "&amp;", "<", "<!", "<!--", "<a ", "</", "<b>", "<a><b>", "<div>", "<div>\n", "<b a='", '<b a="', "<b =",
    "<img ", "<img src=x>", "<img a=", "<img srcset='", "<?", "\\", "(", "'\"", "\0",
]
# fmt: on


def seconds(language: str, text: str) -> float:
    reader = MarkupReader()
    started = time.process_time()
    reader.html(text) if language == "html" else reader.markdown(text)
    return time.process_time() - started


@pytest.mark.parametrize("language", ["markdown", "html"])
@pytest.mark.parametrize("size", [4_000, 16_000, LIMITS["characters"], 262_144])
def test_no_text_takes_for_ever(size: int, language: str) -> None:
    """A bound against quadratic readers, which would take minutes; the benchmark has the speed."""
    texts = [(before + bomb * size)[:size] for bomb in BOMBS for before in ("", f"![a]({U}) <img src=x> ")]
    assert max(seconds(language, text) for text in texts) < 5


@pytest.mark.parametrize(
    "text",
    [
        "![" * 1_000 + "a" + f"]({U})" * 1_000,
        "[" * 1_900 + f"![a]({U})" + "](b)" * 1_900,
        ">" * 5_000 + f"![a]({U})",
        "- " * 5_000 + f"![a]({U})",
        "*" * 5_000 + f"![a]({U})",
    ],
)
def test_nesting_hides_nothing(text: str) -> None:
    reader = MarkupReader()
    assert reader.truncated or ("markdown", U) in [(p.slot, p.url) for p in reader.markdown(text)]


@pytest.mark.parametrize(
    "text",
    [
        "![" + "a" * LIMITS["characters"] + "](b)",
        "![a](b)" + "\n" * (LIMITS["lines"] + 1),
        "![a](b)" + "[" * LIMITS["brackets"],
        "<img src=x>" * (MAX_TAGS + 1),
    ],
    ids=["characters", "lines", "brackets", "tags"],
)
def test_a_text_beyond_the_limits_is_not_taken_for_read(text: str) -> None:
    reader = MarkupReader()
    reader.markdown(text)
    assert reader.truncated


def test_the_limits_hold_for_all_texts_together() -> None:
    reader = MarkupReader()
    for _ in range(3):
        reader.markdown("![a](b) " + "[" * (LIMITS["brackets"] // 3))
    assert reader.truncated


def test_a_tag_with_more_before_its_url_than_is_read_is_not_taken_for_read() -> None:
    reader = MarkupReader()
    pictures = reader.html(f"<img {'x ' * TAG_WINDOW} src={U}>")
    assert reader.truncated
    assert not pictures


def test_long_texts_without_pictures_cost_nothing_of_the_limits() -> None:
    reader = MarkupReader()
    reader.markdown("word " * LIMITS["characters"])
    reader.html("<p>word [x]</p>" * LIMITS["characters"])
    assert not reader.truncated


FRAGMENTS = st.sampled_from(
    [
        "![",
        "](",
        ")",
        "]",
        "[",
        "<",
        ">",
        "`",
        "```",
        "\n",
        "\n\n",
        "> ",
        "- ",
        "&#33;",
        "\\",
        "'",
        '"',
        "<img ",
        "src=",
        "<!--",
        "-->",
        U,
        "[r]: ",
        "a",
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=5), max_size=30))
def test_nothing_raises(parts: list[str]) -> None:
    reader = MarkupReader()
    for picture in (*reader.markdown("".join(parts)), *reader.html("".join(parts))):
        assert picture.url


@given(st.lists(FRAGMENTS | st.text(max_size=5), max_size=12))
def test_a_picture_in_a_paragraph_of_its_own_is_found_whatever_stands_around(parts: list[str]) -> None:
    noise = "".join(parts)
    text = f"{noise}\n\n![a]({V})\n\n{noise}"
    assert V in {picture.url for picture in MarkupReader().markdown(text)}
