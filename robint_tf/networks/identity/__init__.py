"""What a network is known by: the names that recipes and stores give to networks that have none.

Modules:

    naming      fingerprints of networks and names of architectures
    code        what own classes, functions and data compute, in words that tell them apart
    own         which code is own, and what compiled code says
"""
