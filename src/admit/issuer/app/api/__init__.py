"""What the JSON API's endpoints share: `caller` who asks, `described` what is told of an endpoint beside its handler,
`openapi` the document made of it, `shapes` the values that are sent.
"""
