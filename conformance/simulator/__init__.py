"""The local ABDM: gateway, consent manager, patient's app, a remote HIU and an SMS sink, in V3.

Written from the published protocol alone and importing nothing of the adapter, so that both
sides cannot share one mistake.
"""
