from __future__ import annotations

import io

import pytest
from PIL import Image

from relayfilter.remote.sniff import not_a_picture

PAGES = [
    b"<!DOCTYPE html>",
    b"<html>",
    b"\n\t <HTML lang=en>",
    b"\xef\xbb\xbf<!doctype html>",
    b"<?xml version='1.0'?>",
    b"<!-- x -->",
]
ACTIVITIES = [b'{"@context": []}', b'\n{\n  "id": 1}', b"{}", b"[]", b'[{"id": 1}]', b'\xef\xbb\xbf{ "id"']


@pytest.mark.parametrize("first", PAGES)
@pytest.mark.parametrize("declared", ["text/html", "text/html; charset=utf-8", "TEXT/HTML", "application/xhtml+xml"])
def test_pages(declared: str, first: bytes) -> None:
    assert not_a_picture(declared, first) == "page"


@pytest.mark.parametrize("first", ACTIVITIES)
@pytest.mark.parametrize(
    "declared", ["application/activity+json", 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"']
)
def test_activities(declared: str, first: bytes) -> None:
    assert not_a_picture(declared, first) == "activity"


@pytest.mark.parametrize("first", [*PAGES, *ACTIVITIES, b""])
@pytest.mark.parametrize(
    "declared", ["image/png", "", "text/plain", "application/json", "image/svg+xml", "text/htmlx", "x, text/html"]
)
def test_no_other_type_is_set_apart(declared: str, first: bytes) -> None:
    assert not_a_picture(declared, first) is None


@pytest.mark.parametrize(
    "declared", ["text/html", "application/xhtml+xml", "application/activity+json", "application/ld+json"]
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "ICO", "PPM"])
def test_a_picture_declared_as_something_else_is_inspected(declared: str, format_name: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, format_name)
    assert not_a_picture(declared, file.getvalue()) is None


@pytest.mark.parametrize(
    "first", [b"", b" ", b"hello", b"GIF89a<html>", b"\xff\xd8\xff<html>", b"< html", b"<\x00", b"<1", b"\x00<html>"]
)
def test_what_only_claims_to_be_a_page_is_inspected(first: bytes) -> None:
    assert not_a_picture("text/html", first) is None


@pytest.mark.parametrize("first", [b"", b"{", b"{x", b"GIF89a{}", b"hello", b"1", b'"', b"[1"])
def test_what_only_claims_to_be_an_activity_is_inspected(first: bytes) -> None:
    assert not_a_picture("application/activity+json", first) is None
