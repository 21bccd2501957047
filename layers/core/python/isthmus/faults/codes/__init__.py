"""The neighbours' own codes, one table each; Bitcoin's, which the method decides as well, is isthmus.bitcoin.codes.

Texts of neighbours are never read. A table says what a code means when it answers the request that was to have an
effect; where the neighbour retries by itself or the answer may be about an earlier attempt, spending makes it Unknown.
"""
