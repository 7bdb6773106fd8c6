"""What lies on disk: finished work under the hash of its recipe, unfinished work, results files.

Modules:

    artifacts     the store: a folder per recipe, published whole or not at all
    checkpoints   the last states of an unfinished training
    folders       writing and reading whole folders and files
    leases        who makes what, among processes that share a store
    provenance    what parts of a result were made with, and that parts made differently are not mixed
    packs         measurements of a store in one file that travels
    results       results files: JSON from which every figure is drawn
    records       the numbers in them, with their intervals
"""
