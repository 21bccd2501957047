"""The Bitcoin domain: chain, mempool and fees as the node sees them."""
