"""Schemas of the few requests that kafka-python does not have, in the form in which it reads its own.

``UnregisterBroker`` is KIP-746's, ``AddRaftVoter`` and ``RemoveRaftVoter`` are KIP-853's.
"""
