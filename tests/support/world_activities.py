"""Activities in the shapes that real software sends. Every call makes new ids; the result is a plain dict, to be
changed freely before it is sent.

Lemmy's are those of its `crates/apub/assets/lemmy/activities`, Mastodon's those of its serializers, PeerTube's those of
its activitypub documentation. Content given as Markdown appears twice, as Lemmy sends it: HTML in `content`, the
Markdown in `source`.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from markdown_it import MarkdownIt

from tests.support.world_actors import ACTIVITYSTREAMS, LEMMY_CONTEXT, PUBLIC, Actor

Document = dict[str, Any]

PUBLISHED = "2026-01-02T03:04:05.678901Z"
_MARKDOWN = MarkdownIt("commonmark")
_MASTODON_CONTEXT = [
    ACTIVITYSTREAMS,
    {
        "sensitive": "as:sensitive",
        "toot": "http://joinmastodon.org/ns#",
        "Emoji": "toot:Emoji",
        "blurhash": "toot:blurhash",
        "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
    },
]


def _id(actor: Actor, path: str) -> str:
    return f"https://{actor.host}/{path}/{uuid4()}"


def _text(markdown: str) -> Document:
    return {
        "content": _MARKDOWN.render(markdown),
        "mediaType": "text/html",
        "source": {"content": markdown, "mediaType": "text/markdown"},
    }


# Lemmy


def image_attachment(url: str, name: str | None = None) -> Document:
    """A picture as Lemmy attaches one to a Page."""
    return {"type": "Image", "url": url} | ({"name": name} if name else {})


def link_attachment(href: str, media_type: str | None = None) -> Document:
    """A link as Lemmy attaches one to a Page."""
    return {"type": "Link", "href": href} | ({"mediaType": media_type} if media_type else {})


def page(
    author: Actor, community: Actor, *attachments: Document, markdown: str | None = None, sensitive: bool = False
) -> Document:
    """A Lemmy post."""
    return {
        "type": "Page",
        "id": _id(author, "post"),
        "attributedTo": author.id,
        "to": [community.id, PUBLIC],
        "cc": [],
        "audience": community.id,
        "name": "A post",
        **(_text(markdown) if markdown is not None else {}),
        "attachment": list(attachments),
        "sensitive": sensitive,
        "published": PUBLISHED,
        "language": {"identifier": "en", "name": "English"},
    }


def comment(
    author: Actor, community: Actor, markdown: str, *, in_reply_to: str, attachments: tuple[Document, ...] = ()
) -> Document:
    """A Lemmy comment on the post or comment `in_reply_to`."""
    return {
        "type": "Note",
        "id": _id(author, "comment"),
        "attributedTo": author.id,
        "to": [PUBLIC],
        "cc": [community.id],
        "audience": community.id,
        "inReplyTo": in_reply_to,
        **_text(markdown),
        "published": PUBLISHED,
        "distinguished": False,
        "tag": [],
        "attachment": list(attachments),
    }


def create(author: Actor, community: Actor, thing: Document) -> Document:
    """Lemmy's Create of a page or a comment, as it goes to the community."""
    return _about_community("Create", author, community, thing)


def update(author: Actor, community: Actor, thing: Document) -> Document:
    """Lemmy's Update of a page, a comment or a Group."""
    return _about_community("Update", author, community, thing)


def like(author: Actor, community: Actor, thing: str) -> Document:
    """A vote for the post or comment with the id `thing`."""
    return {
        "@context": LEMMY_CONTEXT,
        "actor": author.id,
        "object": thing,
        "type": "Like",
        "id": _id(author, "activities/like"),
        "audience": community.id,
    }


def announce(community: Actor, inner: Document | str) -> Document:
    """What a community relays to its followers: another actor's activity, unsigned."""
    return {
        "@context": LEMMY_CONTEXT,
        "actor": community.id,
        "to": [PUBLIC],
        "object": {key: value for key, value in inner.items() if key != "@context"}
        if isinstance(inner, dict)
        else inner,
        "cc": [f"{community.id}/followers"],
        "type": "Announce",
        "id": _id(community, "activities/announce"),
    }


def chat_message(author: Actor, recipient: str, markdown: str) -> Document:
    """Create of a private message, in Lemmy's form."""
    message = {
        "type": "ChatMessage",
        "id": _id(author, "private_message"),
        "attributedTo": author.id,
        "to": [recipient],
        **_text(markdown),
        "published": PUBLISHED,
    }
    return {
        "@context": LEMMY_CONTEXT,
        "id": _id(author, "activities/create"),
        "actor": author.id,
        "to": [recipient],
        "object": message,
        "type": "Create",
    }


def _about_community(verb: str, author: Actor, community: Actor, thing: Document) -> Document:
    return {
        "@context": LEMMY_CONTEXT,
        "actor": author.id,
        "to": [community.id, PUBLIC],
        "object": thing,
        "cc": [community.id],
        "audience": community.id,
        "type": verb,
        "id": _id(author, f"activities/{verb.lower()}"),
    }


# Mastodon


def document_attachment(url: str, media_type: str = "image/png", name: str | None = None) -> Document:
    """A picture as Mastodon attaches one to a Note."""
    return {
        "type": "Document",
        "mediaType": media_type,
        "url": url,
        "name": name,
        "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
        "focalPoint": [0.0, 0.0],
        "width": 640,
        "height": 480,
    }


def emoji_tag(author: Actor, shortcode: str, url: str) -> Document:
    """A custom emoji as Mastodon tags it."""
    return {
        "id": f"https://{author.host}/emojis/{shortcode}",
        "type": "Emoji",
        "name": f":{shortcode}:",
        "updated": PUBLISHED,
        "icon": {"type": "Image", "mediaType": "image/png", "url": url},
    }


def mastodon_note(
    author: Actor,
    html: str,
    *attachments: Document,
    tags: tuple[Document, ...] = (),
    mention: str | None = None,
    sensitive: bool = False,
) -> Document:
    """Mastodon's Create of a status, public, with a mention (of a community, say) when that is given."""
    note_id = _id(author, f"users/{author.name}/statuses")
    mentions = ({"type": "Mention", "href": mention, "name": "@it"},) if mention else ()
    cc = [f"{author.id}/followers", *([mention] if mention else [])]
    note = {
        "id": note_id,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": "2026-01-02T03:04:05Z",
        "url": f"https://{author.host}/@{author.name}/{note_id[-12:]}",
        "attributedTo": author.id,
        "to": [PUBLIC],
        "cc": cc,
        "sensitive": sensitive,
        "content": html,
        "contentMap": {"en": html},
        "attachment": list(attachments),
        "tag": [*mentions, *tags],
    }
    return {
        "@context": _MASTODON_CONTEXT,
        "id": f"{note_id}/activity",
        "type": "Create",
        "actor": author.id,
        "published": "2026-01-02T03:04:05Z",
        "to": [PUBLIC],
        "cc": cc,
        "object": note,
    }


def delete_self(author: Actor) -> Document:
    """The Delete that Mastodon sends to everybody when an account is removed."""
    return {
        "@context": ACTIVITYSTREAMS,
        "id": f"{author.id}#delete-{uuid4()}",
        "type": "Delete",
        "actor": author.id,
        "to": [PUBLIC],
        "object": author.id,
    }


# PeerTube


def peertube_video(author: Actor, channel: Actor, thumbnail: str, markdown: str = "A video.") -> Document:
    """PeerTube's Create of a Video: its picture is an `icon`, its `url` a list of Links."""
    video_id = _id(author, "videos/watch")
    video = {
        "type": "Video",
        "id": video_id,
        "name": "A video",
        "duration": "PT12S",
        "uuid": video_id.rsplit("/", 1)[1],
        "sensitive": False,
        "published": PUBLISHED,
        "mediaType": "text/markdown",
        "content": markdown,
        "icon": [{"type": "Image", "url": thumbnail, "mediaType": "image/jpeg", "width": 280, "height": 157}],
        "url": [
            {"type": "Link", "mediaType": "text/html", "href": video_id},
            {"type": "Link", "mediaType": "video/mp4", "href": f"{video_id}-480.mp4", "height": 480, "size": 123456},
        ],
        "attributedTo": [{"type": "Person", "id": author.id}, {"type": "Group", "id": channel.id}],
        "to": [PUBLIC],
        "cc": [f"{author.id}/followers"],
        "attachment": [],
        "tag": [],
    }
    return {
        "@context": [ACTIVITYSTREAMS, {"pt": "https://joinpeertube.org/ns#", "uuid": "sc:identifier"}],
        "type": "Create",
        "id": f"{video_id}/activity",
        "actor": author.id,
        "to": [PUBLIC],
        "cc": [f"{author.id}/followers"],
        "object": video,
    }
