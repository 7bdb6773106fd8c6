"""Beyond the paper: what its data say under other statistics, and what the authors' code does at other scales.

Nothing here changes what the paper claims or how that is judged. Modules:

    cells         scores of every network from the cells of a results file, DiffROAR, and the pooled random baseline
    questions     what is asked of these scores, in families of eight series, and the tests that answer
    answers       from results to an answer per question, ours and the authors', corrected within families
    reference     what the authors' code gave where we ran it
    spreads       how much scores vary that were made alike, theirs and ours
    side_by_side  our scores beside the published ones, one by one
    measures      controls, schedules, ROAD and measures of gradients, as tables of texts
    tables        the answers and the reference as Markdown
"""
