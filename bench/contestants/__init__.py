"""Those who do the same job: post the fields of a parcel, give back `{fee, currency}`.

One module each, with `opened(origin, width)`: a context that gives a chunk (`bench.measure.Chunk`), which keeps
`width` calls under way. Peers come from an environment of their own (`requirements.lock` beside this file), so a
module imports nothing of the engine, but for `engine.py`.
"""
