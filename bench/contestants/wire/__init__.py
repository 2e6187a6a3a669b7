"""Those who can lie under the transport interface: send one prepared request, give back status, headers and all bytes.

One module each, with `opened(origin, width)` as in `bench.contestants`. Each is asked for no more than that, in the
form that is the least work for it: what is measured is the client, not what it would have to promise under the engine.
"""
