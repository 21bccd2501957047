"""The Outbound port: fetch with one policy for everybody."""

from dataclasses import dataclass, field
from typing import Self

from isthmus.outbound.fetch import Answer, Outgoing, fetch
from isthmus.outbound.network import Network
from isthmus.outbound.policy import Policy
from isthmus.outbound.target import target_of


@dataclass(frozen=True)
class Door:
    """Foreign hosts under a policy: public ones over https, unless it says otherwise."""

    policy: Policy = field(default_factory=Policy)
    network: Network = field(default_factory=Network)

    @classmethod
    def to_this_machine_too(cls) -> Self:
        """Also http, any port, and the addresses of the machine itself: for development on one machine."""
        return cls(Policy(ports=frozenset(range(1, 65536)), http=True, loopback=True))

    def check(self, url: str) -> None:
        """See that an address is of a form that may be called.

        Raises:
            Invalid: it is not.
        """
        target_of(url, self.policy)

    def fetch(self, outgoing: Outgoing) -> Answer:
        """Call a foreign host once; raises as `isthmus.outbound.fetch` does."""
        return fetch(outgoing, self.policy, self.network)
