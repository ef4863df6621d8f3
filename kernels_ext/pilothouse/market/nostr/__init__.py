"""Nostr: sessions with relays. The only room that imports nostr_sdk."""
