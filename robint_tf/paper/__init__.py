"""The paper: what it claims, what its authors published, and by which rules our results decide.

Modules:

    published                              the authors' results as numbers, read back from their figures
    claims                                 the claims as data
    verdicts, verdicts_interpretability    the rules
    protocols                              which results decide, and the words for what they say
    evidence                               which results files there are, and how near to the authors' protocol
    comparison                             from a folder of results to a verdict per claim
    beyond                                 other statistics of the same networks, and runs of the authors' code
    report, report_page, report_markdown   the page and the tables that show it
    glossary                               what their words mean, and where the paper is
    figures                                the paper's figures, drawn from results files
"""
