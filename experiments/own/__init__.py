"""Commands about one's own networks and data, beside those that take both kinds.

training      `robint train MODEL --data ...`
retraining    `robint roar MODEL --data ...`
"""
