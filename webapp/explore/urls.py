"""Addresses of asking."""

from __future__ import annotations

from django.urls import path

from webapp.explore import (
    collections_home,
    guest_views,
    image_views,
    picking,
    saved_views,
    share_views,
    shared_views,
    views,
    watch_views,
)

urlpatterns = [
    path("", views.search_page, name="search"),
    path("describe", views.describe_page, name="describe"),
    path("ask-with-picture", views.ask_with_picture, name="ask-with-picture"),
    path("query-pictures/<uuid:pk>", views.query_picture, name="query-picture"),
    path("images/<uuid:pk>/neighbours", image_views.image_neighbours, name="image-neighbours"),
    path("images/<uuid:pk>/seen", image_views.image_seen, name="image-seen"),
    path("images/<uuid:pk>/seen/<uuid:term>/accept", image_views.accept, name="accept-term"),
    path("query-pictures/<uuid:pk>/display", views.query_picture_display, name="query-picture-display"),
    path("suggest-terms", views.suggest_terms, name="suggest-terms"),
    path("pick-image", picking.pick_image, name="pick-image"),
    path("search-stage", views.search_stage, name="search-stage"),
    path("encoder-state", views.encoder_strip, name="encoder-state"),
    path("collections", collections_home.collections, name="collections"),
    # searches that are watched
    path("watched", watch_views.watched, name="watched"),
    path("watched/seen", watch_views.mark_seen, name="mark-seen"),
    path("saved/<uuid:pk>/watch", watch_views.watch, name="watch"),
    path("saved/<uuid:pk>/unwatch", watch_views.unwatch, name="unwatch"),
    path("saved/<uuid:pk>/mail", watch_views.mail, name="watch-mail"),
    # searches that are kept
    path("saved", saved_views.saved, name="saved"),
    path("saved/new", saved_views.save, name="save"),
    path("saved/<uuid:pk>", saved_views.open_saved, name="open-saved"),
    path("saved/<uuid:pk>/rename", saved_views.rename, name="rename-saved"),
    path("saved/<uuid:pk>/delete", saved_views.delete, name="delete-saved"),
    path("saved/<uuid:pk>/fork", saved_views.fork, name="fork-saved"),
    # links to them
    path("share", share_views.share, name="share"),
    path("share/selected", share_views.share_selected, name="share-selected"),
    path("links", share_views.links, name="links"),
    path("links/<uuid:pk>/revoke", share_views.revoke, name="revoke-link"),
    path("links/<uuid:pk>/extend", share_views.extend, name="extend-link"),
    path("saved/<uuid:pk>/links", share_views.links_of, name="links-of"),
    path("q/<str:token>", shared_views.open_link, name="open-link"),
    path("shared/by/<str:sha256>", shared_views.open_by_digest, name="shared-by"),
    path("shared/<uuid:pk>", shared_views.shared, name="shared"),
    path("q/g/<uuid:pk>", guest_views.guest_page, name="guest"),
    path("q/g/<uuid:pk>/<int:rank>", guest_views.guest_picture, name="guest-picture"),
]
