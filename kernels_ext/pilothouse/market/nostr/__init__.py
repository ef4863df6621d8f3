"""Nostr: identities, and their sessions with relays. The only room that imports nostr_sdk, through one file."""
