"""The only way to foreign hosts: DID documents, LNURL, webhooks, oracles, proxies of other protocols.

`fetch(Outgoing(url), policy)` resolves a name once, refuses it unless every address is public, and talks to exactly
one of those addresses, within a deadline and a size. Who may be called is a `Policy`; how the network is reached is a
`Network`, which tests replace.
"""

from isthmus.outbound.fetch import Answer, Outgoing, fetch
from isthmus.outbound.network import Network
from isthmus.outbound.policy import Policy

__all__ = ["Answer", "Network", "Outgoing", "Policy", "fetch"]
