"""What there is to judge the paper by: results files, and how near each is to the authors' protocol.

Modules:

    collection    the results files of a folder by name, and which of several of one name is taken
    extent        how much of the authors' protocol a results file holds
"""
